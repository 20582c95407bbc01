import { createPublicKey, type JsonWebKeyInput, randomUUID, verify } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { type ReceivedCall, startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { openDeliveryHarness } from '../../testing/delivery-harness.ts';

interface PublishedKey {
  kid: string;
  kty: string;
  crv: string;
  x: string;
  whpk: string;
  d?: string;
}

const hour = 3_600_000;

async function setUp() {
  await using releases = new AsyncDisposableStack();
  const clock = createTestClock();
  const harness = releases.use(await openDeliveryHarness({ clock, environment: { RATE_LIMITS: 'off' } }));
  const receiver = releases.use(await startReceiver());
  const userId = randomUUID();
  const owned = releases.move();
  return {
    clock,
    harness,
    userId,
    async readKeys() {
      const response = await fetch(`${harness.service.url}/.well-known/webhooks-jwks.json`);
      return ((await response.json()) as { keys: PublishedKey[] }).keys;
    },
    async receive() {
      const { errors } = await harness.post(
        'mutation ($url: String!) { sendTestCallback(url: $url) { webhookId } }',
        { url: receiver.url },
        userId,
      );
      expect(errors).toBeUndefined();
      return receiver.next();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Returns one key id per v1a signature of a call: the id of the key that made the signature. The id is undefined if
 * none of `keys` made the signature.
 */
function signersOf({ headers, body }: ReceivedCall, keys: readonly PublishedKey[]): (string | undefined)[] {
  const content = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`);
  return String(headers['webhook-signature'])
    .split(' ')
    .map((each) => each.split(','))
    .filter(([version]) => version === 'v1a')
    .map(([, signature = '']) => Buffer.from(signature, 'base64'))
    .map(
      (signature) =>
        keys.find((jwk) => {
          const key = createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
          return verify(null, content, key, signature);
        })?.kid,
    );
}

describe('public keys', () => {
  it('public keys: verify the v1a signature beside v1, and have no private part', async () => {
    await using ctx = await setUp();
    const call = await ctx.receive();
    const keys = await ctx.readKeys();
    expect(keys).toEqual([
      {
        kid: expect.any(String),
        kty: 'OKP',
        crv: 'Ed25519',
        alg: 'EdDSA',
        use: 'sig',
        x: expect.any(String),
        whpk: expect.stringMatching(/^whpk_[A-Za-z0-9+/]{43}=$/),
      },
    ]);
    expect(signersOf(call, keys)).toEqual([keys[0]?.kid]);
    expect(Buffer.from(keys[0]?.whpk.slice(5) ?? '', 'base64')).toEqual(Buffer.from(keys[0]?.x ?? '', 'base64url'));
    expect(signersOf({ ...call, body: `${call.body} ` }, keys)).toEqual([undefined]);
    // The library of Standard Webhooks verifies only v1 signatures, and ignores others.
    const secret = await ctx.harness.secret(ctx.userId);
    const headers = {
      'webhook-id': String(call.headers['webhook-id']),
      'webhook-signature': String(call.headers['webhook-signature']),
      'webhook-timestamp': String(call.headers['webhook-timestamp']),
    };
    expect(new Webhook(secret).verify(call.body, headers)).toMatchObject({ type: 'callback.test' });
  });

  it('public keys: are published before use; a replaced key signs for a day more', async () => {
    await using ctx = await setUp();
    const [first] = await ctx.readKeys();
    const keysWhen = async (count: number) => {
      await expect.poll(async () => (await ctx.readKeys()).length).toBe(count);
      return ctx.readKeys();
    };
    ctx.clock.jump(90 * 24 * hour - hour);
    const keys = await keysWhen(2);
    const next = keys.find(({ kid }) => kid !== first?.kid);
    expect(signersOf(await ctx.receive(), keys)).toEqual([first?.kid]);
    ctx.clock.jump(hour + 60_000);
    expect(signersOf(await ctx.receive(), keys)).toEqual([next?.kid, first?.kid]);
    ctx.clock.jump(23 * hour);
    expect(signersOf(await ctx.receive(), keys)).toEqual([next?.kid, first?.kid]);
    ctx.clock.jump(2 * hour);
    await keysWhen(1);
    expect(signersOf(await ctx.receive(), keys)).toEqual([next?.kid]);
  });

  it('public keys: are the same in each process', async () => {
    await using ctx = await setUp();
    const before = await ctx.readKeys();
    await ctx.harness.start();
    expect(await ctx.readKeys()).toEqual(before);
  });
});
