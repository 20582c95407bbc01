import type { Attack, AttackTable } from './attack.ts';
import { request } from './wire.ts';

const post = (path: string, body: unknown, headers: Record<string, string | null> = {}) =>
  request('POST', path, { headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
const signUp = (fields: object) =>
  post('/user/sign-up', { username: 'mallory', phoneNumber: '0909123456', password: 'correct horse', ...fields });
const signIn = (fields: object) => post('/user/sign-in', { username: 'mallory', password: 'correct horse', ...fields });
const badInput = { status: 400, code: 'BAD_USER_INPUT' };

/** Hostile REST requests. */
const attacks: Attack[] = [
  { name: 'an unknown parameter', send: request('GET', '/voucher?admin=true'), ...badInput },
  {
    name: 'a parameter of Object’s prototype',
    send: request('GET', '/voucher?__proto__=1&constructor=2'),
    ...badInput,
  },
  { name: 'a parameter that is given twice', send: request('GET', '/voucher?first=1&first=2'), ...badInput },
  { name: 'a count that is not a number', send: request('GET', '/voucher?first=ten'), ...badInput },
  { name: 'a count below zero', send: request('GET', '/voucher?first=-1'), ...badInput },
  { name: 'NUL in a parameter', send: request('GET', '/voucher?phoneNumber=%00'), ...badInput },
  { name: 'a surrogate in a parameter', send: request('GET', '/voucher?after=%ED%A0%80') },
  { name: 'an unknown parameter of 4 kB', send: request('GET', `/voucher?${'a'.repeat(4_000)}=1`), ...badInput },
  { name: 'a voucher without a token', send: request('POST', '/voucher?phoneNumber=0909123456'), status: 401 },
  {
    name: 'a voucher with a forged token',
    send: request('POST', '/voucher', { headers: { authorization: 'eyJhbGciOiJub25lIn0.e30.' } }),
    status: 401,
  },
  { name: 'a key of 8 kB', send: request('POST', '/voucher', { headers: { 'idempotency-key': 'k'.repeat(8_000) } }) },
  {
    name: 'a key in bytes above ASCII',
    send: request('POST', '/voucher', { headers: { 'idempotency-key': '\xff\xfe' } }),
  },
  { name: 'a callback to a file', send: request('POST', '/voucher?callbackUrl=file:///etc/passwd') },
  { name: 'a body that is null', send: post('/user/sign-up', 'null'), ...badInput },
  { name: 'a body that is a list', send: post('/user/sign-up', '[]'), ...badInput },
  { name: 'a body that is half a JSON text', send: post('/user/sign-up', '{"username":'), ...badInput },
  {
    name: 'a body of 1 MB',
    send: post('/user/sign-up', { username: 'x'.repeat(1_000_000) }),
    status: 413,
    code: 'REQUEST_TOO_LARGE',
  },
  {
    name: 'a form',
    send: post('/user/sign-in', 'username=ann', { 'content-type': 'application/x-www-form-urlencoded' }),
    status: 415,
  },
  { name: 'no body', send: request('POST', '/user/sign-in'), ...badInput },
  { name: 'a username that is an object', send: signUp({ username: { $ne: null } }), ...badInput },
  { name: 'a username with NUL', send: signUp({ username: 'a\0b' }), ...badInput },
  { name: 'a username of a lone surrogate', send: signUp({ username: '\ud800ab' }), ...badInput },
  { name: 'a username of 10 kB', send: signUp({ username: 'a'.repeat(10_000) }), ...badInput },
  {
    name: 'a phone number with SQL',
    send: signUp({ phoneNumber: "+84901234567'; drop table users; --" }),
    status: 400,
  },
  { name: 'a phone number of 10 kB', send: signUp({ phoneNumber: '9'.repeat(10_000) }), status: 400 },
  { name: 'a password of 100 kB', send: signUp({ password: 'x'.repeat(100_000) }), ...badInput },
  { name: 'a password with NUL', send: signIn({ password: 'correct\0horse' }), ...badInput },
  { name: 'a password of a lone surrogate', send: signIn({ password: '\udfff horses' }), ...badInput },
  { name: 'a username of SQL', send: signIn({ username: "' or 1=1 --" }), status: 401 },
  {
    name: 'a field of Object’s prototype',
    send: post('/user/sign-in', '{"__proto__":{"username":"a"},"password":"correct horse"}'),
    ...badInput,
  },
  { name: 'a method that is not allowed', send: request('PUT', '/voucher'), status: 405 },
  { name: 'an unknown path', send: request('GET', '/user/../../etc/passwd'), status: 404 },
  { name: 'a path that climbs', send: request('GET', '/voucher/%2e%2e/secret'), status: 404 },
];

export const rest: AttackTable = { boundary: 'rest', urlOf: ({ gatewayUrl }) => gatewayUrl, attacks };
