import type { Attack, AttackTable } from './attack.ts';
import { exchange, operation, request } from './wire.ts';

const query = '{"query":"{ __typename }"}';
const chunked = (chunks: string) =>
  request('POST', '/graphql', {
    headers: { 'transfer-encoding': 'chunked', 'content-type': 'application/json' },
  }).toString('latin1') + chunks;
const raw = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`;

/** Bytes that are not a valid request, and unusual requests (RFC 9112). */
const attacks: Attack[] = [
  { name: 'no HTTP at all', send: 'SSH-2.0-OpenSSH_9.2\r\n', status: 400 },
  { name: 'a TLS hello', send: Buffer.from('16030100a5010000a10303', 'hex'), status: 400 },
  { name: 'the preface of HTTP/2', send: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', status: 400 },
  { name: 'a request of HTTP/0.9', send: 'GET /graphql\r\n\r\n', status: 400 },
  { name: 'a version that does not exist', send: raw('GET / HTTP/9.9', 'host: a'), status: 400 },
  { name: 'NUL in the request line', send: raw('GET /\0 HTTP/1.1', 'host: a'), status: 400 },
  { name: 'NUL in a header', send: raw('GET / HTTP/1.1', 'host: a', 'x: a\0b'), status: 400 },
  { name: 'no Host', send: raw('GET /graphql HTTP/1.1', 'connection: close'), status: 400 },
  { name: 'an empty Host', send: request('POST', '/graphql', { headers: { host: '' }, body: query }) },
  { name: 'two Hosts', send: raw('GET / HTTP/1.1', 'host: a', 'host: b', 'connection: close') },
  { name: 'a Host that is no host', send: request('GET', '/graphql', { headers: { host: ':::99999/..' } }) },
  { name: 'HTTP/1.0 without Host', send: raw('GET /graphql HTTP/1.0') },
  {
    name: 'HTTP/1.0 with a body and no Host',
    send: `POST /graphql HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${query.length}\r\n\r\n${query}`,
  },
  { name: 'a header without a colon', send: raw('GET / HTTP/1.1', 'host: a', 'nonsense'), status: 400 },
  { name: 'a header that is folded', send: raw('GET / HTTP/1.1', 'host: a', 'x: a', ' b', 'connection: close') },
  { name: 'a header of 64 kB', send: request('GET', '/', { headers: { x: 'x'.repeat(65_536) } }), status: 431 },
  {
    name: '5,000 headers',
    send: raw('GET / HTTP/1.1', 'host: a', ...Array.from({ length: 5_000 }, (_, index) => `x${index}: 1`)),
  },
  { name: 'an address of 64 kB', send: request('GET', `/${'a'.repeat(65_536)}`), status: 431 },
  { name: 'an address that is doubly slashed', send: request('GET', '//'), status: 404 },
  { name: 'an address with a broken escape', send: request('GET', '/%zz%'), status: 400 },
  { name: 'an address with an escaped NUL', send: request('GET', '/%00') },
  { name: 'an address that climbs', send: request('GET', '/playground/..%2f..%2f..%2fetc/passwd') },
  { name: 'an address in bytes above ASCII', send: request('GET', '/\xff\xfe') },
  { name: 'an absolute address', send: request('GET', 'http://elsewhere.test/graphql') },
  { name: 'an address of another scheme', send: request('GET', 'gopher://[::1') },
  { name: 'OPTIONS of everything', send: request('OPTIONS', '*') },
  { name: 'CONNECT', send: raw('CONNECT elsewhere.test:443 HTTP/1.1', 'host: a') },
  { name: 'TRACE', send: request('TRACE', '/graphql') },
  { name: 'a method that does not exist', send: raw('BREW /pot HTTP/1.1', 'host: a'), status: 400 },
  {
    name: 'a length below zero',
    send: request('POST', '/graphql', { headers: { 'content-length': '-1' } }),
    status: 400,
  },
  {
    name: 'a length that is not a number',
    send: request('POST', '/graphql', { headers: { 'content-length': '1e3' } }),
    status: 400,
  },
  {
    name: 'two lengths that differ',
    send: `${raw('POST /graphql HTTP/1.1', 'host: a', 'content-length: 1', 'content-length: 30')}${query}`,
    status: 400,
  },
  {
    name: 'a length beside chunks, to smuggle a request',
    send: `${raw('POST /graphql HTTP/1.1', 'host: a', 'content-length: 4', 'transfer-encoding: chunked')}0\r\n\r\nGET / HTTP/1.1\r\n`,
    status: 400,
  },
  { name: 'a chunk whose size is not a number', send: chunked('zz\r\n{}\r\n0\r\n\r\n'), status: 400 },
  { name: 'a chunk of 16 EiB', send: chunked('1ffffffffffffffff\r\n{}'), status: 400 },
  { name: 'a chunk longer than it says', send: chunked(`2\r\n${query}\r\n0\r\n\r\n`), status: 400 },
  { name: 'chunk extensions of 100 kB', send: chunked(`1;${'x'.repeat(100_000)}\r\n1\r\n0\r\n\r\n`) },
  {
    name: 'an encoding of the transfer that is unknown',
    send: request('POST', '/graphql', { headers: { 'transfer-encoding': 'gzip, rot13' } }),
  },
  { name: 'an expectation that is unknown', send: operation(query, { expect: 'the-unexpected' }), status: 417 },
  { name: 'a body that is said to be gzipped', send: operation(query, { 'content-encoding': 'gzip' }) },
  { name: 'a body in UTF-16', send: operation(query, { 'content-type': 'application/json; charset=utf-16' }) },
  { name: 'a body without a type', send: operation(query, { 'content-type': null }) },
  {
    name: 'a form',
    send: operation('query=%7B__typename%7D', { 'content-type': 'application/x-www-form-urlencoded' }),
  },
  {
    name: 'a form in parts',
    send: operation('--x\r\n\r\n\r\n--x--', { 'content-type': 'multipart/form-data; boundary=x' }),
  },
  { name: 'a type that is invalid', send: operation(query, { 'content-type': ';;;=,' }) },
  { name: 'an authorization of control characters', send: operation(query, { authorization: 'Bearer \x01\x02' }) },
  { name: 'an authorization of 12 kB', send: operation(query, { authorization: `Bearer ${'a.'.repeat(6_000)}` }) },
  {
    name: 'a client that resets after its request',
    send: ({ gatewayUrl }) => exchange(gatewayUrl, operation(query), 'reset'),
    status: null,
  },
  {
    name: 'a client that resets in the middle of its body',
    send: ({ gatewayUrl }) => exchange(gatewayUrl, operation('{"query":', { 'content-length': '9000' }), 'reset'),
    status: null,
  },
  {
    name: 'a client that closes its side in the middle of its body',
    send: ({ gatewayUrl }) => exchange(gatewayUrl, operation('{"query":', { 'content-length': '9000' }), 'end'),
  },
  {
    name: '200 requests in one write',
    send: Buffer.concat([
      ...Array.from({ length: 199 }, () => operation(query, { connection: null })),
      operation(query),
    ]),
    status: 200,
  },
];

export const rawHttp: AttackTable = { boundary: 'http', urlOf: ({ gatewayUrl }) => gatewayUrl, attacks };
