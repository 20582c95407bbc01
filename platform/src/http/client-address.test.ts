import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readConfig } from '../process/config.ts';
import { createClientAddresses, groupAddress, trustedProxies } from './client-address.ts';

function requestFrom(remoteAddress: string | undefined, forwardedFor?: string) {
  return {
    socket: { remoteAddress },
    headers: { ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }) },
  } as unknown as IncomingMessage;
}

describe('client address', () => {
  it.each([
    ['an IPv4 address', '203.0.113.7', '203.0.113.7'],
    ['an IPv4 address mapped into IPv6', '::ffff:203.0.113.7', '203.0.113.7'],
    ['an IPv6 address in any notation', '2001:DB8:0:0:0::1', '2001:db8::1'],
    ['an address with a zone', 'fe80::1%eth0', 'fe80::1'],
    ['a closed connection', undefined, 'unknown'],
  ])('is the connection’s own: %s', (_what, remote, address) => {
    expect(createClientAddresses([]).read(requestFrom(remote))).toBe(address);
  });

  it('ignores X-Forwarded-For unless the connection comes from a trusted proxy', () => {
    const forwarded = '198.51.100.1';
    expect(createClientAddresses([]).read(requestFrom('10.0.0.1', forwarded))).toBe('10.0.0.1');
    expect(createClientAddresses(['10.0.0.0/8']).read(requestFrom('203.0.113.7', forwarded))).toBe('203.0.113.7');
    expect(createClientAddresses(['10.0.0.0/8']).read(requestFrom('10.0.0.1', forwarded))).toBe(forwarded);
    expect(createClientAddresses(['10.0.0.0/8']).read(requestFrom('::ffff:10.0.0.1', forwarded))).toBe(forwarded);
    expect(createClientAddresses(['loopback']).read(requestFrom('::1', forwarded))).toBe(forwarded);
  });

  it.each([
    ['the last entry that is not a trusted proxy', '1.1.1.1, 198.51.100.1, 10.0.0.2', '198.51.100.1'],
    ['the first entry if all are trusted', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['the proxy if the entry is not an address', 'evil', '10.0.0.1'],
    ['the proxy if the entry is a number', '16843009', '10.0.0.1'],
    ['the nearest proxy before an invalid entry', '1.1.1.1, ;drop, 10.0.0.2', '10.0.0.2'],
    ['the proxy if the header is empty', ' , ,', '10.0.0.1'],
    ['an IPv6 entry', '2001:db8::5', '2001:db8::5'],
    ['an IPv6 entry that ends like an IPv4 one', '1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ])('behind trusted proxies is %s', (_what, forwarded, address) => {
    expect(createClientAddresses(['10.0.0.0/8', '192.0.2.1']).read(requestFrom('10.0.0.1', forwarded))).toBe(address);
  });

  it('distinguishes connections of trusted proxies from others', () => {
    const { isProxy } = createClientAddresses(['10.0.0.0/8']);
    expect(['10.1.2.3', '::ffff:10.1.2.3', '203.0.113.7', undefined].map(isProxy)).toEqual([true, true, false, false]);
    expect(createClientAddresses([]).isProxy('10.1.2.3')).toBe(false);
  });

  it('is read from a real request, even with repeated headers', async () => {
    await using releases = new AsyncDisposableStack();
    const { read } = createClientAddresses(['127.0.0.1']);
    const server = createServer((incoming, response) => response.end(read(incoming)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    releases.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));
    const { port } = server.address() as AddressInfo;
    const sent = request({ port, host: '127.0.0.1', headers: { 'x-forwarded-for': ['1.1.1.1', '198.51.100.1'] } });
    sent.end();
    const [response] = await once(sent, 'response');
    expect(await response.setEncoding('utf8').toArray()).toEqual(['198.51.100.1']);
  });
});

describe('address groups', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['unknown', 'unknown'],
  ])('put %s into %s', (address, group) => {
    expect(groupAddress(address)).toBe(group);
  });
});

describe('TRUSTED_PROXIES', () => {
  const schema = z.object({ TRUSTED_PROXIES: trustedProxies() });

  it('reads addresses, CIDRs and names, and none by default', () => {
    expect(readConfig(schema, {}).TRUSTED_PROXIES).toEqual([]);
    expect(readConfig(schema, { TRUSTED_PROXIES: '10.0.0.0/8, ::1,loopback' }).TRUSTED_PROXIES).toEqual([
      '10.0.0.0/8',
      '::1',
      'loopback',
    ]);
  });

  it.each(['10.0.0.0/99', 'proxy.example', '10.0.0.0/8,,nope', '*'])('rejects %s by name', (text) => {
    expect(() => readConfig(schema, { TRUSTED_PROXIES: text })).toThrow('TRUSTED_PROXIES must be addresses or CIDRs');
  });
});
