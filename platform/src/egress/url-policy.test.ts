import { describe, expect, it } from 'vitest';
import { type UrlPolicy, urlRefusal } from './url-policy.ts';

const production: UrlPolicy = {
  allowLoopback: false,
  privateRanges: [],
  ports: [
    [80, 80],
    [443, 443],
    [1_024, 65_535],
  ],
  httpsOnly: false,
};
const refusal = (url: string, policy: Partial<UrlPolicy> = {}) =>
  urlRefusal(new URL(url), { ...production, ...policy });

describe('url policy', () => {
  it.each([
    'https://shop.example.com/hook',
    'http://8.8.8.8:8080/',
    'https://[2606:4700::1111]/',
    'https://bücher.de/',
  ])('allows %s', (url) => expect(refusal(url)).toBeNull());

  // Each names an internal address or host.
  it.each([
    ['http://127.0.0.1/', 'loopback'],
    ['http://127.1/', 'loopback'],
    ['http://2130706433/', 'loopback'],
    ['http://0x7f000001/', 'loopback'],
    ['http://0177.0.0.1/', 'loopback'],
    ['http://0x7f.1/', 'loopback'],
    ['http://127.0.0.1./', 'loopback'],
    ['http://127.000.000.001/', 'loopback'],
    ['http://%31%32%37.0.0.1/', 'loopback'],
    ['http://①②⑦.⓪.⓪.①/', 'loopback'],
    ['http://127。0。0。1/', 'loopback'],
    ['http://[::1]/', 'loopback'],
    ['http://[0:0:0:0:0:0:0:1]/', 'loopback'],
    ['http://[::ffff:127.0.0.1]/', 'loopback'],
    ['http://[::ffff:7f00:1]/', 'loopback'],
    ['http://[::127.0.0.1]/', 'reserved'],
    ['http://[64:ff9b::127.0.0.1]/', 'inside an IPv6'],
    ['http://[64:ff9b:1::10.0.0.1]/', 'inside an IPv6'],
    ['http://[2002:7f00:1::]/', 'inside an IPv6'],
    ['http://[2001:0:7f00:1::]/', 'inside an IPv6'],
    ['http://0/', 'unspecified'],
    ['http://0.0.0.0/', 'unspecified'],
    ['http://[::]/', 'unspecified'],
    ['http://10.0.0.1/', 'private'],
    ['http://10.1/', 'private'],
    ['http://167772161/', 'private'],
    ['http://172.16.0.1/', 'private'],
    ['http://172.31.255.255/', 'private'],
    ['http://192.168.0.1/', 'private'],
    ['http://192.168.257/', 'private'],
    ['http://100.64.0.1/', 'private'],
    ['http://[fd12:3456::1]/', 'private'],
    ['http://[::ffff:10.0.0.1]/', 'private'],
    ['http://169.254.169.254/latest/meta-data/', 'link-local'],
    ['http://2852039166/', 'link-local'],
    ['http://[fe80::1]/', 'link-local'],
    ['http://[::ffff:169.254.169.254]/', 'link-local'],
    ['http://168.63.129.16/', 'metadata'],
    ['http://[fd00:ec2::254]/', 'metadata'],
    ['http://metadata.google.internal/', 'metadata'],
    ['http://METADATA.google.internal./', 'metadata'],
    ['http://metadata.goog/', 'metadata'],
    ['http://224.0.0.1/', 'multicast'],
    ['http://[ff02::1]/', 'multicast'],
    ['http://255.255.255.255/', 'broadcast'],
    ['http://240.0.0.1/', 'reserved'],
    ['http://192.0.2.1/', 'reserved'],
    ['http://198.18.0.1/', 'reserved'],
    ['http://localhost/', 'the machine that calls'],
    ['http://LOCALHOST./', 'the machine that calls'],
    ['http://app.localhost/', 'the machine that calls'],
    ['http://intranet/', 'private network'],
    ['http://redis:6379/', 'private network'],
    ['http://db.internal/', 'private network'],
    ['http://printer.home.arpa/', 'private network'],
    ['http://printer.local/', 'public DNS'],
    ['http://shop.test/', 'public DNS'],
    ['http://shop.example/', 'public DNS'],
    ['http://shop.invalid/', 'public DNS'],
    ['http://hidden.onion/', 'public DNS'],
    ['http://1.0.0.127.in-addr.arpa/', 'public DNS'],
    ['http://user@shop.example.com/', 'user'],
    ['http://user:pass@shop.example.com/', 'user'],
    ['http://:pass@shop.example.com/', 'user'],
    ['http://shop.example.com:22/', 'Port 22'],
    ['http://shop.example.com:25/', 'Port 25'],
    ['http://shop.example.com:0/', 'Port 0'],
    ['ftp://shop.example.com/', 'not an http'],
    ['file:///etc/passwd', 'not an http'],
    ['gopher://shop.example.com/', 'not an http'],
    ['javascript:alert(1)', 'not an http'],
    ['data:text/plain,x', 'not an http'],
  ])('refuses %s: %s', (url, reason) => {
    expect(refusal(url)).toContain(reason);
  });

  it('allows loopback, and nothing else, by its setting', () => {
    const policy = { allowLoopback: true };
    for (const url of [
      'http://localhost:3000/',
      'http://127.0.0.1:9/',
      'http://app.localhost/',
      'http://127.0.0.1/',
      'http://[::1]:8080/',
    ])
      expect(refusal(url, policy)).toBeNull();
    for (const url of [
      'http://10.0.0.1/',
      'http://intranet/',
      'http://169.254.169.254/',
      'http://0.0.0.0/',
      'http://[::]/',
    ])
      expect(refusal(url, policy)).not.toBeNull();
  });

  it('allows private ranges, and names of private networks, by their setting', () => {
    const policy = { privateRanges: ['10.1.0.0/16'] };
    for (const url of ['http://10.1.2.3/', 'http://shop/', 'http://shop.internal/'])
      expect(refusal(url, policy)).toBeNull();
    for (const url of [
      'http://10.2.0.1/',
      'http://127.0.0.1/',
      'http://localhost/',
      'http://metadata.google.internal/',
    ])
      expect(refusal(url, policy)).not.toBeNull();
  });

  it('allows https only, and listed ports only, by their settings', () => {
    expect(refusal('http://shop.example.com/', { httpsOnly: true })).toBe('It must be an https URL.');
    expect(refusal('https://shop.example.com/', { httpsOnly: true })).toBeNull();
    expect(refusal('https://shop.example.com:8443/', { ports: [[443, 443]] })).toBe(
      'Port 8443 is not allowed; allowed are 443.',
    );
  });
});
