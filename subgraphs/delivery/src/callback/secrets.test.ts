import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/clock';
import { openTestDatabase } from '@voucher-gateway/platform/testing/database';
import { afterAll, expect, it } from 'vitest';
import { deliveryMigrations } from '../migrations.ts';
import { createCallbackSecrets } from './secrets.ts';

const clock = createTestClock();
const database = await openTestDatabase({ migrations: [deliveryMigrations], clock });
afterAll(() => database[Symbol.asyncDispose]());
const hour = 3_600_000;
const secrets = createCallbackSecrets({ database, oldSecretSignsMs: 24 * hour });

it('makes a secret of 32 random bytes on first need, the same from then on', async () => {
  const user = randomUUID();
  const secret = await secrets.current(user);
  expect(secret).toMatch(/^whsec_/);
  expect(Buffer.from(secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
  expect(await secrets.signing(user)).toEqual([secret]);
  expect(await secrets.current(randomUUID())).not.toBe(secret);
});

it('makes one secret for all that need it first at once', async () => {
  const user = randomUUID();
  const made = await Promise.all(Array.from({ length: 8 }, () => secrets.current(user)));
  expect(new Set(made).size).toBe(1);
});

it('signs with the old secret as well for 24 hours after a rotation, the new one first', async () => {
  const user = randomUUID();
  const first = await secrets.current(user);
  const second = await secrets.rotate(user);
  expect(await secrets.current(user)).toBe(second);
  clock.advance(24 * hour - 1);
  expect(await secrets.signing(user)).toEqual([second, first]);
  clock.advance(1);
  expect(await secrets.signing(user)).toEqual([second]);
});

it('keeps each secret of a day with two rotations for its own 24 hours', async () => {
  const user = randomUUID();
  const first = await secrets.current(user);
  const second = await secrets.rotate(user);
  clock.advance(hour);
  const third = await secrets.rotate(user);
  expect(await secrets.signing(user)).toEqual([third, second, first]);
  clock.advance(23 * hour);
  expect(await secrets.signing(user)).toEqual([third, second]);
});

it('signs with four secrets at most, however often one rotates', async () => {
  const user = randomUUID();
  const made: string[] = [];
  for (let turn = 0; turn < 6; turn += 1) {
    made.unshift(await secrets.rotate(user));
    clock.advance(1);
  }
  expect(await secrets.signing(user)).toEqual(made.slice(0, 4));
});

it('leaves one current secret after rotations at once', async () => {
  const user = randomUUID();
  const made = await Promise.all([secrets.rotate(user), secrets.rotate(user), secrets.current(user)]);
  expect(made).toContain(await secrets.current(user));
});
