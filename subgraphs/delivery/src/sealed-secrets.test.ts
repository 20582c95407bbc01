import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { createTestSecrets } from '@voucher-gateway/platform/testing/secrets';
import { eq, sql } from 'drizzle-orm';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { callbackSecret, signingKey } from './tables.ts';
import { buildRequest, openDeliveryHarness } from './testing/delivery-harness.ts';

type Harness = Awaited<ReturnType<typeof openDeliveryHarness>>;

/** Returns all secrets and keys as the database stores them. */
async function readStored({ engines: { database } }: Harness): Promise<string[]> {
  const { rows } = await database.query.execute<{ stored: string }>(sql`
    select ${callbackSecret.secret} as stored from ${callbackSecret}
    union all select ${signingKey.privateJwk} #>> '{}' from ${signingKey}`);
  return rows.map(({ stored }) => stored);
}

describe('secrets at rest', () => {
  it('secrets: are encrypted, before and after a rotation', async () => {
    await using harness = await openDeliveryHarness();
    const { userId } = buildRequest();
    const secret = await harness.secret(userId);
    const { data } = await harness.post('mutation { rotateCallbackSecret }', {}, userId);
    const stored = await readStored(harness);
    expect(stored).toHaveLength(3);
    for (const each of stored) expect(each).toMatch(/^sealed:[\da-f]{8}:[\w-]+$/);
    expect([secret, data?.rotateCallbackSecret]).toEqual([
      expect.stringMatching(/^whsec_/),
      expect.stringMatching(/^whsec_/),
    ]);
  });

  it('secrets: one in the clear still signs, and is encrypted later', async () => {
    const clock = createTestClock();
    await using harness = await openDeliveryHarness({ clock });
    await using receiver = await startReceiver();
    const request = buildRequest({ callbackUrl: receiver.url });
    const secret = await harness.secret(request.userId);
    // An earlier version stored the secret in plain text.
    await harness.engines.database.query
      .update(callbackSecret)
      .set({ secret })
      .where(eq(callbackSecret.userId, request.userId));
    expect(await harness.secret(request.userId)).toBe(secret);
    clock.jump(600_000);
    await expect.poll(async () => (await readStored(harness)).filter((each) => each.startsWith('whsec_'))).toEqual([]);
    await harness.request(request);
    await harness.receive(request);
    const { headers, body } = await receiver.next();
    // The test computes the expected signature. The library's `verify` would reject the timestamp, because the test's
    // clock is ahead of the machine's.
    const at = new Date(Number(headers['webhook-timestamp']) * 1_000);
    const expected = new Webhook(secret).sign(String(headers['webhook-id']), at, body);
    expect(String(headers['webhook-signature']).split(' ')).toContain(expected);
  });

  it('start: is refused with another key, and works with the former one after it', async () => {
    const clock = createTestClock();
    await using harness = await openDeliveryHarness({ clock });
    const { userId } = buildRequest();
    const secret = await harness.secret(userId);
    await harness.service[Symbol.asyncDispose]();
    const before = await readStored(harness);
    harness.engines.secrets = createTestSecrets(9);
    await expect(harness.start()).rejects.toMatchObject({ code: 'SECRETS_KEY_WRONG' });
    expect(await readStored(harness)).toEqual(before);
    const rotated = createTestSecrets(9, 1);
    harness.engines.secrets = rotated;
    await harness.start();
    clock.jump(600_000);
    await expect
      .poll(async () => (await readStored(harness)).every((each) => each.startsWith(rotated.prefix)))
      .toBe(true);
    expect(await harness.secret(userId)).toBe(secret);
  });
});

/** Replaces a user's stored secret by a secret that was encrypted for another row. Such a secret can't be decrypted. */
async function alter({ engines: { database, secrets } }: Harness, userId: string): Promise<void> {
  const stranger = secrets.seal('whsec_AAAA', { purpose: 'delivery.callback_secret', id: randomUUID() });
  await database.query.update(callbackSecret).set({ secret: stranger }).where(eq(callbackSecret.userId, userId));
}

describe('secrets that can not be decrypted', () => {
  // Regression: an attempt whose secret could not be decrypted was repeated endlessly after each lease, and nobody was
  // notified.
  it('altered secret: its attempts fail with a code, and its owner rotates it', async () => {
    await using harness = await openDeliveryHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '200ms,24d' } });
    await using receiver = await startReceiver();
    const request = buildRequest({ callbackUrl: receiver.url });
    const { userId } = request;
    await harness.secret(userId);
    await alter(harness, userId);
    await harness.request(request);
    await harness.receive(request);
    const failure = { status: null, error: 'SECRET_UNREADABLE', response: null };
    await expect
      .poll(() => harness.deliveries(request))
      .toMatchObject([{ status: 'PENDING', attempts: [failure, failure] }]);
    expect(receiver.calls).toEqual([]);
    expect(harness.log.text).toMatch(/"level":"error".*SECRET_ALTERED/);
    const read = () => harness.entities([{ __typename: 'User', id: userId }], '... on User { callbackSecret }', userId);
    expect((await read()).errors).toMatchObject([{ extensions: { code: 'SECRET_UNREADABLE' } }]);

    const { data } = await harness.post('mutation { rotateCallbackSecret }', {}, userId);
    const [delivery] = await harness.deliveries(request);
    const redeliver = 'mutation ($id: ID!) { redeliver(deliveryId: $id) { status } }';
    await harness.post(redeliver, { id: delivery?.id }, userId);
    const { headers, body } = await receiver.next();
    new Webhook(String(data?.rotateCallbackSecret)).verify(body, headers as Record<string, string>);
  });

  it('wrong key: a callback waits without an attempt for a process with the key', async () => {
    await using harness = await openDeliveryHarness();
    await using receiver = await startReceiver();
    const request = buildRequest({ callbackUrl: receiver.url });
    await harness.secret(request.userId);
    const { query } = harness.engines.database;
    const [row] = await query.select().from(callbackSecret).where(eq(callbackSecret.userId, request.userId));
    // Another process, which already has the next key, encrypts the secret with that key.
    const use = { purpose: 'delivery.callback_secret', id: row?.id ?? '' };
    const sealed = createTestSecrets(9).seal(harness.engines.secrets.open(row?.secret ?? '', use), use);
    await query.update(callbackSecret).set({ secret: sealed }).where(eq(callbackSecret.userId, request.userId));
    await harness.request(request);
    await harness.receive(request);
    await expect.poll(() => harness.log.text).toMatch(/"reason":"SECRETS_KEY_WRONG"/);
    expect(await harness.deliveries(request)).toMatchObject([{ status: 'PENDING', attempts: [] }]);
    expect(receiver.calls).toEqual([]);
    expect(harness.log.text).toMatch(/"level":"error".*SECRETS_KEY_WRONG/);
    const { userId } = request;
    const read = await harness.entities([{ __typename: 'User', id: userId }], '... on User { callbackSecret }', userId);
    expect(read.errors).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }]);
  });

  // Regression: one altered row prevented all keys from being read. So the service did not start.
  it('altered signing key: another one signs, and the rest is read', async () => {
    await using harness = await openDeliveryHarness();
    const published = async (): Promise<string[]> => {
      const response = await fetch(`${harness.url}/.well-known/webhooks-jwks.json`);
      return ((await response.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
    };
    const [altered] = await published();
    await harness.service[Symbol.asyncDispose]();
    const stranger = harness.engines.secrets.seal('{}', { purpose: 'delivery.signing_key', id: 'another' });
    await harness.engines.database.query.update(signingKey).set({ privateJwk: stranger });
    await harness.start();
    expect(await published()).toEqual([expect.not.stringMatching(altered ?? ''), altered]);
    expect(harness.log.text).toMatch(/"level":"error".*SECRET_ALTERED/);
    await using receiver = await startReceiver();
    const { errors } = await harness.post(
      'mutation ($url: String!) { sendTestCallback(url: $url) { webhookId } }',
      { url: receiver.url },
      randomUUID(),
    );
    expect(errors).toBeUndefined();
    expect((await receiver.next()).headers['webhook-signature']).toMatch(/^v1,\S+ v1a,\S+$/);
  });
});
