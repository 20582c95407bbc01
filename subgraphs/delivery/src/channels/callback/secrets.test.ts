import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestDatabase } from '@voucher-gateway/platform/testing/database';
import { createTestSecrets } from '@voucher-gateway/platform/testing/secrets';
import { eq } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import { deliveryMigrations } from '../../migrations.ts';
import { callbackSecret } from '../../tables.ts';
import { createCallbackSecrets } from './secrets.ts';

const clock = createTestClock();
const database = await openTestDatabase({ migrations: [deliveryMigrations], clock });
afterAll(() => database[Symbol.asyncDispose]());
const hour = 3_600_000;
const secrets = createCallbackSecrets({
  database,
  box: createTestSecrets(),
  oldSecretSignsMs: 24 * hour,
  log: silentLog,
});

describe('callback secrets', () => {
  it('secret: has 32 random bytes, and is created on first use', async () => {
    const user = randomUUID();
    const secret = await secrets.readCurrent(user);
    expect(secret).toMatch(/^whsec_/);
    expect(Buffer.from(secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
    expect(await secrets.readSigning(user)).toEqual([secret]);
    expect(await secrets.readCurrent(randomUUID())).not.toBe(secret);
  });

  it('secret: is created once for concurrent first uses', async () => {
    const user = randomUUID();
    const created = await Promise.all(Array.from({ length: 8 }, () => secrets.readCurrent(user)));
    expect(new Set(created).size).toBe(1);
  });

  it('rotation: the old secret still signs for 24 hours, after the new one', async () => {
    const user = randomUUID();
    const first = await secrets.readCurrent(user);
    const second = await secrets.rotate(user);
    expect(await secrets.readCurrent(user)).toBe(second);
    clock.advance(24 * hour - 1);
    expect(await secrets.readSigning(user)).toEqual([second, first]);
    clock.advance(1);
    expect(await secrets.readSigning(user)).toEqual([second]);
  });

  it('rotation: each replaced secret signs for its own 24 hours', async () => {
    const user = randomUUID();
    const first = await secrets.readCurrent(user);
    const second = await secrets.rotate(user);
    clock.advance(hour);
    const third = await secrets.rotate(user);
    expect(await secrets.readSigning(user)).toEqual([third, second, first]);
    clock.advance(23 * hour);
    expect(await secrets.readSigning(user)).toEqual([third, second]);
  });

  it('rotation: at most four secrets sign', async () => {
    const user = randomUUID();
    const created: string[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      created.unshift(await secrets.rotate(user));
      clock.advance(1);
    }
    expect(await secrets.readSigning(user)).toEqual(created.slice(0, 4));
    // Secrets that no longer sign are deleted, so that few rows are read.
    const rows = await database.query.select().from(callbackSecret).where(eq(callbackSecret.userId, user));
    expect(rows).toHaveLength(4);
  });

  it('rotation: leaves one current secret after concurrent rotations', async () => {
    const user = randomUUID();
    const created = await Promise.all([secrets.rotate(user), secrets.rotate(user), secrets.readCurrent(user)]);
    expect(created).toContain(await secrets.readCurrent(user));
  });
});
