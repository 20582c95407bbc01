import { describe, expect, it } from 'vitest';
import { hostileUrls } from '../testing/hostile/hostile-urls.ts';
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

  it.each(hostileUrls.map(({ url, reason }) => [url, reason]))('refuses %s: %s', (url, reason) => {
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
