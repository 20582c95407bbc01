import { type Clock, createTestClock } from '@voucher-gateway/platform/async/clock';
import { listen } from '@voucher-gateway/platform/http/listen';
import { createHttpServer } from '@voucher-gateway/platform/http/server';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { describe, expect, it } from 'vitest';
import { addWebhookKeys } from './webhook-keys.ts';

const keySet = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'abc', kid: 'k', whpk: 'whpk_abc' }] };

async function serve(keysUrl: string, clock?: Clock) {
  const log = createMemoryLog();
  const app = createHttpServer({ log, statusOf });
  addWebhookKeys(app, { url: keysUrl, log, ...(clock && { clock }) });
  const url = await listen(app, { host: '127.0.0.1', port: 0, setting: 'PORT' });
  return {
    get: () => fetch(`${url}/.well-known/webhooks-jwks.json`),
    [Symbol.asyncDispose]: () => app.close(),
  };
}

describe('webhook keys', () => {
  it('webhook keys: are fetched once for many requests', async () => {
    await using source = await startReceiver({ answer: { status: 200, body: JSON.stringify(keySet) } });
    await using server = await serve(source.url);
    const responses = await Promise.all([1, 2, 3].map(() => server.get()));
    responses.push(await server.get());
    for (const response of responses) {
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toBe('public, max-age=60');
      expect(await response.json()).toEqual(keySet);
    }
    expect(source.calls).toHaveLength(1);
  });

  // Regression: while the service with the keys did not respond, each request for the keys waited for up to 5 s.
  it('webhook keys: are still served when the service does not respond any more', async () => {
    const clock = createTestClock();
    await using source = await startReceiver({ answer: { status: 200, body: JSON.stringify(keySet) } });
    await using server = await serve(source.url, clock);
    await server.get();
    await source.next();
    source.answer = (response) => response.destroy();
    clock.advance(60_000);
    // After a failed fetch, requests get the known keys and do not wait for the next fetch.
    expect(await (await server.get()).json()).toEqual(keySet);
    source.answer = 'hang';
    clock.advance(1_000);
    expect(await (await server.get()).json()).toEqual(keySet);
    for (const _fetch of [2, 3]) await source.next();
  });

  it('webhook keys: newer ones are awaited for half a second', async () => {
    const clock = createTestClock();
    await using source = await startReceiver({ answer: { status: 200, body: JSON.stringify(keySet) } });
    await using server = await serve(source.url, clock);
    await server.get();
    const pending = clock.pending;
    source.answer = 'hang';
    clock.advance(60_000);
    const response = server.get();
    await clock.whenPending(pending);
    clock.advance(500);
    expect(await (await response).json()).toEqual(keySet);
  });

  it.each([
    ['an error', { status: 500, body: '{}' }],
    ['no JSON', { status: 200, body: 'nonsense' }],
    ['no keys', { status: 200, body: '{}' }],
    ['a secret key', { status: 200, body: JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }) }],
    ['a private key', { status: 200, body: JSON.stringify({ keys: [{ ...keySet.keys[0], d: 'secret' }] }) }],
    ['too much', { status: 200, body: JSON.stringify({ ...keySet, more: ' '.repeat(262_144) }) }],
  ])('webhook keys: are unavailable while the service answers with %s', async (_, answer) => {
    await using source = await startReceiver({ answer });
    await using server = await serve(source.url);
    const response = await server.get();
    expect([response.status, await response.json()]).toEqual([
      503,
      expect.objectContaining({ code: 'SERVICE_UNAVAILABLE', retryable: true }),
    ]);
  });
});
