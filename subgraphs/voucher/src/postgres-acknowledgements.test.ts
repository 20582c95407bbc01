import { randomUUID } from 'node:crypto';
import { openRealDatabase } from '@voucher-gateway/platform/testing/real-engines';
import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { storeAcknowledgements } from './consume-acknowledgements.ts';
import { voucherMigrations } from './migrations.ts';
import { voucherRequest } from './tables.ts';

it('acknowledgements: never wait for the transaction that stores an outcome', async () => {
  await using database = await openRealDatabase();
  await database.migrate(voucherMigrations);
  const now = new Date();
  const owner = { id: randomUUID() };
  const phoneNumber = '+84909123456';
  const [ending, pending] = [randomUUID(), randomUUID()] as const;
  const request = { userId: owner.id, phoneNumber, status: 'PENDING' as const, requestedAt: now, publishedAt: now };
  await database.query.insert(voucherRequest).values([ending, pending].map((id) => ({ ...request, id })));
  const other = await database.another();
  await database.transaction(async (tx) => {
    await tx.update(voucherRequest).set({ status: 'FULFILLED', endedAt: now }).where(eq(voucherRequest.id, ending));
    const times = { askedAt: now.toISOString(), acknowledgedAt: now.toISOString() };
    await storeAcknowledgements(
      other,
      [ending, pending].map((requestId) => ({ requestId, phoneNumber, owner, ...times })),
    );
  });
  const rows = await database.query.select().from(voucherRequest);
  const acknowledgedAt = new Map(rows.map((row) => [row.id, row.acknowledgedAt]));
  expect(acknowledgedAt.get(pending)).toEqual(now);
  expect(acknowledgedAt.get(ending)).toBeNull();
});
