import { randomUUID } from 'node:crypto';
import type { Attack, AttackTable } from './attack.ts';
import { request } from './wire.ts';

const verifier = 'v'.repeat(43);
const code = { codeVerifier: verifier, status: 'SUCCESS', voucherCode: 'VC-1', message: 'ready' };
const path = '/api/voucher-code/vps/response';
const callback = (body: unknown, query = '', headers: Record<string, string | null> = {}) =>
  request('POST', path + query, { headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
const badInput = { status: 400, code: 'BAD_USER_INPUT' };
const nested = `{"codeVerifier":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;

/** Forged callbacks of the provider, sent by someone who knows the callback URL. */
const callbacks: Attack[] = [
  { name: 'a code for an unknown request', send: callback(code, `?request=${randomUUID()}`), status: 404 },
  { name: 'a code without a request', send: callback(code), status: 404 },
  { name: 'a request that is not an id', send: callback(code, "?request=1';--"), status: 404 },
  { name: 'NUL in the request', send: callback(code, '?request=%00'), ...badInput },
  { name: 'two requests', send: callback(code, `?request=${randomUUID()}&request=${randomUUID()}`) },
  { name: 'no body', send: request('POST', path), status: 400 },
  { name: 'null', send: callback('null'), ...badInput },
  { name: 'a list', send: callback('[]'), ...badInput },
  { name: 'half a JSON text', send: callback('{"codeVerifier":'), ...badInput },
  { name: 'lists nested 20,000 deep', send: callback(nested), ...badInput },
  { name: 'a body of 1 MB', send: callback({ ...code, message: 'x'.repeat(1_000_000) }), status: 413 },
  { name: 'a form', send: callback('a=b', '', { 'content-type': 'application/x-www-form-urlencoded' }), status: 415 },
  { name: 'a verifier that is an object', send: callback({ ...code, codeVerifier: { length: 43 } }), ...badInput },
  { name: 'a verifier with NUL', send: callback({ ...code, codeVerifier: `${verifier}\0` }), ...badInput },
  {
    name: 'a verifier of 100,000 characters',
    send: callback({ ...code, codeVerifier: 'v'.repeat(50_000) }),
    ...badInput,
  },
  { name: 'a code with NUL', send: callback({ ...code, voucherCode: 'VC\0' }), ...badInput },
  { name: 'a code of a lone surrogate', send: callback({ ...code, voucherCode: '\ud800' }), ...badInput },
  { name: 'a code above ASCII', send: callback({ ...code, voucherCode: 'VC-漢' }), ...badInput },
  { name: 'a code of 257 characters', send: callback({ ...code, voucherCode: 'x'.repeat(257) }), ...badInput },
  { name: 'a code that is empty', send: callback({ ...code, voucherCode: '' }), ...badInput },
  { name: 'a message with NUL', send: callback({ ...code, message: '\0' }), ...badInput },
  { name: 'an unknown status', send: callback({ ...code, status: 'REVOKED' }), ...badInput },
  { name: 'a prototype', send: callback(`{"__proto__":${JSON.stringify(code)}}`), status: 400 },
  { name: 'another method', send: request('GET', path), status: 405 },
];

export const providerCallbacks: AttackTable = {
  boundary: 'provider callback',
  urlOf: ({ integrationUrl }) => integrationUrl,
  attacks: callbacks,
};

const order = (body: unknown, headers: Record<string, string | null> = {}) =>
  request('POST', '/api/request/voucher', { headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
const control = (body: unknown) =>
  request('POST', '/control/next', { body: typeof body === 'string' ? body : JSON.stringify(body) });
const valid = { phoneNumber: '0909123456', callbackUrl: 'http://127.0.0.1:9/' };

/** Requests to the simulated provider, which anyone can call in development. */
const orders: Attack[] = [
  { name: 'no body', send: request('POST', '/api/request/voucher'), status: 400 },
  { name: 'null', send: order('null'), status: 400 },
  { name: 'half a JSON text', send: order('{"phoneNumber":'), status: 400 },
  { name: 'a phone number that is a list', send: order({ ...valid, phoneNumber: ['1', '2', '3', '4'] }), status: 400 },
  { name: 'a phone number with NUL', send: order({ ...valid, phoneNumber: '0909\0' }), status: 400 },
  { name: 'a callback that is not a URL', send: order({ ...valid, callbackUrl: 'javascript:alert(1)' }), status: 400 },
  {
    name: 'a callback of 10 kB',
    send: order({ ...valid, callbackUrl: `http://a/${'a'.repeat(10_000)}` }),
    status: 400,
  },
  {
    name: 'a key of 8 kB',
    send: order({ ...valid, phoneNumber: 'x' }, { 'idempotency-key': 'k'.repeat(8_000) }),
    status: 400,
  },
  { name: 'a body of 1 MB', send: order({ ...valid, x: 'x'.repeat(1_000_000) }), status: 413 },
  { name: 'an unknown fault', send: control({ fault: 'explode' }), status: 400 },
  { name: 'a delay below zero', send: control({ delayMs: -1 }), status: 400 },
  { name: 'a delay of a million years', send: control({ delayMs: 1e300 }), status: 400 },
  { name: 'a prototype', send: control('{"__proto__":{"fault":"hang"},"constructor":1}'), status: 400 },
  { name: 'an unknown path', send: request('GET', '/control/%2e%2e/ledger') },
];

export const provider: AttackTable = { boundary: 'simulated provider', urlOf: ({ vpsUrl }) => vpsUrl, attacks: orders };
