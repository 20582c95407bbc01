import { randomUUID } from 'node:crypto';
import { CodedError } from '@voucher-gateway/platform/errors';
import { openTestDatabase } from '@voucher-gateway/platform/testing/database';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { deliveryMigrations } from './migrations.ts';
import { retryableStorage } from './retryable-storage.ts';
import { requestTarget } from './tables.ts';

it('makes an outage of the database retryable', async () => {
  const database = await openTestDatabase();
  await database[Symbol.asyncDispose]();
  const outage = retryableStorage(async () => database.query.execute(sql`select 1`));
  await expect(outage).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
});

it('leaves what the database will never take, and errors with a code, as they are', async () => {
  await using database = await openTestDatabase({ migrations: [deliveryMigrations] });
  const target = { requestId: 'no uuid', userId: randomUUID(), callbackUrl: null };
  const never = retryableStorage(async () => database.query.insert(requestTarget).values(target));
  await expect(never).rejects.not.toMatchObject({ retryable: true });
  const coded = new CodedError('REQUEST_NOT_MET', 'Not yet.', { retryable: true });
  await expect(retryableStorage(() => Promise.reject(coded))).rejects.toBe(coded);
});
