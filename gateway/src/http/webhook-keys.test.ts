import { createHttpServer, listen } from '@voucher-gateway/platform/http/server';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { describe, expect, it } from 'vitest';
import { addWebhookKeys } from './webhook-keys.ts';

const keySet = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'abc', kid: 'k', whpk: 'whpk_abc' }] };

async function serve(keysUrl: string) {
  const log = createMemoryLog();
  const app = createHttpServer({ log, statusOf });
  addWebhookKeys(app, { url: keysUrl, log });
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

  it.each([
    ['an error', { status: 500, body: '{}' }],
    ['no JSON', { status: 200, body: 'nonsense' }],
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
