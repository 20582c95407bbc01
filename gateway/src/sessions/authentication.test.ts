import { CodedError } from '@voucher-gateway/platform/errors';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';

describe('session', () => {
  it('ends ten minutes after its last request, and not before', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn();
    for (let request = 0; request < 3; request += 1) {
      gateway.clock.advance(599_000);
      expect(await gateway.post('{ hello }', { token })).toMatchObject({ data: { hello: 'hello' } });
    }
    gateway.clock.advance(601_000);
    expect(await gateway.post('{ hello }', { token })).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'SESSION_EXPIRED' } }],
    });
  });

  it('is not recreated by a touch after sign-out', async () => {
    await using gateway = await startTestGateway();
    const ann = await gateway.signIn();
    await gateway.engines.keyValue.delete(`session:${ann.sid}`);
    for (let request = 0; request < 2; request += 1)
      expect(await gateway.post('{ hello }', { token: ann.token })).toMatchObject({
        errors: [{ extensions: { code: 'SESSION_EXPIRED' } }],
      });
  });

  it('tokens of a revoked key are refused at once', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn();
    expect(await gateway.post('{ hello }', { token })).toMatchObject({ status: 200 });
    const socket = gateway.connect(token);
    await socket.connected;
    await gateway.endSession({ kid: gateway.issuer.kid });
    await socket.closed;
    expect(await gateway.post('{ hello }', { token })).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });
});

describe('session store', () => {
  it('if unavailable the error is retryable, signed-out requests work', async () => {
    const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
    await using gateway = await startTestGateway({ keyValue: { touch: away, ping: away } });
    const { token } = await gateway.signIn();
    expect(await gateway.post('{ hello }', { token })).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } }],
    });
    expect(await gateway.post('{ hello }')).toMatchObject({ data: { hello: 'hello' } });
    const ready = await fetch(`${gateway.url}/health/ready`);
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { status: 'unavailable', engines: { 'key-value': 'away', topics: 'ok' } },
    ]);
  });
});

describe('signing keys', () => {
  it('a failed fetch is a retryable error', async () => {
    await using gateway = await startTestGateway({ jwksUrl: 'http://127.0.0.1:9/jwks.json' });
    const { token } = await gateway.signIn();
    expect(await gateway.post('{ hello }', { token })).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } }],
    });
  });
});
