import { httpLimitsOf } from '@voucher-gateway/platform/http/server';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vpsMockSettings } from './config.ts';
import { createVpsMock } from './server.ts';

httpServerContract(
  async (environment) => {
    const log = createMemoryLog();
    const { url, [Symbol.asyncDispose]: stop } = await createVpsMock({
      log,
      limits: httpLimitsOf(readConfig(vpsMockSettings, environment)),
    });
    return { url, log, [Symbol.asyncDispose]: stop };
  },
  ['/api/request/voucher', '/control/next'],
);

async function serve() {
  const mock = await createVpsMock({ profile: 'silent' });
  return {
    requests: mock.requests,
    async post(path: string, body: unknown, headers: Record<string, string> = {}) {
      const response = await fetch(mock.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return [response.status, ((await response.json()) as { code?: string }).code];
    },
    [Symbol.asyncDispose]: () => mock[Symbol.asyncDispose](),
  };
}
const good = { phoneNumber: '0909123456', callbackUrl: 'http://127.0.0.1:1/' };

describe('vps mock', () => {
  it.each([
    ['an invalid phone number', { ...good, phoneNumber: 909123456 }, {}],
    ['a phone number of 33 characters', { ...good, phoneNumber: '0'.repeat(33) }, {}],
    ['NUL in the phone number', { ...good, phoneNumber: '0909123\0' }, {}],
    ['a lone surrogate in the phone number', { ...good, phoneNumber: '0909\ud800' }, {}],
    ['no callbackUrl', { phoneNumber: good.phoneNumber }, {}],
    ['a callbackUrl of another scheme', { ...good, callbackUrl: 'file:///etc/passwd' }, {}],
    ['an invalid callbackUrl', { ...good, callbackUrl: 'http://' }, {}],
    ['a callbackUrl of 2,049 characters', { ...good, callbackUrl: `http://a/${'a'.repeat(2_040)}` }, {}],
    ['NUL in an unknown field', { ...good, more: ['\0'] }, {}],
    ['an Idempotency-Key of 256 characters', good, { 'idempotency-key': 'k'.repeat(256) }],
    ['an Idempotency-Key beyond ASCII', good, { 'idempotency-key': 'k\xff' }],
    ['an Idempotency-Key with a space', good, { 'idempotency-key': 'a b' }],
    ['a list', [good], {}],
    ['null', null, {}],
  ])('refuses %s', async (_what, body, headers) => {
    await using mock = await serve();
    expect(await mock.post('/api/request/voucher', body, headers as Record<string, string>)).toEqual([
      400,
      'BAD_USER_INPUT',
    ]);
    expect(mock.requests).toEqual([]);
  });

  it('answers any JSON with a status below 500', async () => {
    await using mock = await serve();
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('0909123456', 'http://a', '\0', '\ud800'));
    const fields = fc.dictionary(fc.constantFrom('phoneNumber', 'delayMs', 'fault', 'times', '__proto__'), text);
    const path = fc.constantFrom('/api/request/voucher', '/control/next');
    await fc.assert(
      fc.asyncProperty(path, fc.oneof(fc.jsonValue({ maxDepth: 3 }), fields), async (to, body) => {
        expect((await mock.post(to, body))[0]).toBeLessThan(500);
      }),
      { numRuns: 150 },
    );
  });
});
