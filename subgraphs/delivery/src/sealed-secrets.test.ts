import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { createTestSecrets } from '@voucher-gateway/platform/testing/secrets';
import { eq, sql } from 'drizzle-orm';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { callbackSecret, signingKey } from './tables.ts';
import { buildRequest, openDeliveryHarness } from './testing/delivery-harness.ts';

type Harness = Awaited<ReturnType<typeof openDeliveryHarness>>;

/** All that the database stores of secrets and keys, as text. */
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
    // As an earlier version has stored it.
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
    // The clock of the test is ahead of the library's, so the signature is compared.
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
