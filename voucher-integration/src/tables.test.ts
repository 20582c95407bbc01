import { randomUUID } from 'node:crypto';
import { openTestEnginesWithJobs } from '@voucher-gateway/platform/testing/engines';
import { indexScans } from '@voucher-gateway/platform/testing/index-scans';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { askAgain } from './ask-again.ts';
import { integrationMigrations } from './migrations.ts';
import { createStore } from './store.ts';

async function setUp() {
  const engines = await openTestEnginesWithJobs({ migrations: [integrationMigrations] });
  await engines.jobs.declare(askAgain);
  const { query } = engines.database;
  return {
    ...engines,
    store: createStore(engines),
    /** Adds settled requests. Two of every five have challenges, named c1, c2 and so on. */
    async fill(count: number) {
      await query.execute(sql`
        insert into integration.provider_request
          (request_id, user_id, phone_number, requested_at, status, challenges, held, attempts, code, voucher_status, received_at)
        select gen_random_uuid(), gen_random_uuid(), '+84909123456', now(), 'SETTLED',
          case when n % 5 < 2 then jsonb_build_array(jsonb_build_object('codeChallenge', 'c' || n)) else '[]' end,
          '[]', 1, 'CODE', 'SUCCESS', now()
        from generate_series(1, ${count}::int) as n`);
      await query.execute(sql`analyze integration.provider_request`);
    },
  };
}

it('indexes: find a request by its challenge without a table scan', async () => {
  await using ctx = await setUp();
  await ctx.fill(5_000);
  let found: unknown;
  const scanned = await indexScans(ctx.database, 'integration', async () => {
    found = await ctx.store.findByChallenge('c4001');
  });
  expect(found).toMatchObject([{ challenges: [{ codeChallenge: 'c4001' }] }]);
  expect(scanned.toSorted()).toEqual(['provider_request_acknowledged', 'provider_request_pkey']);
});

it('indexes: are not written when a request is settled', async () => {
  // Regression: an unused index contained the status. So every update of a row wrote to all indexes of the table.
  await using ctx = await setUp();
  const requestId = randomUUID();
  const requestedAt = new Date();
  await ctx.store.open({
    requestId,
    userId: randomUUID(),
    phoneNumber: '+84909123456',
    callbackUrl: null,
    requestedAt: requestedAt.toISOString(),
  });
  const code = { voucherCode: 'CODE', status: 'SUCCESS', atMs: Date.now() } as const;
  expect(await ctx.store.settleInBatch({ requestId, requestedAt }, code)).toBe(true);
  await ctx.database.query.execute(sql`select pg_stat_force_next_flush()`);
  const { rows } = await ctx.database.query.execute(
    sql`select n_tup_upd::int as updates, n_tup_hot_upd::int as hot from pg_stat_user_tables where relname = 'provider_request'`,
  );
  expect(rows).toEqual([{ updates: 1, hot: 1 }]);
});
