import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { indexScans } from '@voucher-gateway/platform/testing/index-scans';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { voucherMigrations } from './migrations.ts';
import { startSweep } from './sweep.ts';
import { startTestVoucherService } from './testing/voucher-service.ts';

const giveUpAfterMs = 3_600_000;

async function setUp() {
  await using releases = new AsyncDisposableStack();
  const clock = createTestClock();
  const log = createMemoryLog();
  const engines = releases.use(await openTestEngines({ migrations: [voucherMigrations], clock, log }));
  const { query } = engines.database;
  releases.use(startSweep({ ...engines, giveUpAfterMs }));
  const owned = releases.move();
  return {
    clock,
    log,
    query,
    database: engines.database,
    /** Adds requests that were published `ageMs` ago. */
    async addRequests(count: number, { ageMs, status = 'PENDING' }: { ageMs: number; status?: string }) {
      const at = new Date(clock.now() - ageMs).toISOString();
      await query.execute(sql`
        insert into voucher.voucher_request (id, user_id, phone_number, status, requested_at, published_at)
        select gen_random_uuid(), gen_random_uuid(), '+84909123456', ${status}, ${at}, ${at}
        from generate_series(1, ${count}::int)`);
    },
    async published() {
      const { rows } = await query.execute<{ count: number }>(
        sql`select count(distinct key)::int as count from platform.topic_message where topic = 'request-code'`,
      );
      return rows[0]?.count;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('sweep', () => {
  it('sweep: publishes an overdue request again, with the same value', async () => {
    await using ctx = await startTestVoucherService();
    await ctx.request();
    const done = (await ctx.request()).data?.requestVoucher as { id: string };
    await ctx.receive({ requestId: done.id });
    const [first] = await ctx.requests(2);
    ctx.clock.jump(3_600_000 + 300_001);
    const messages = await ctx.requests(3);
    expect(messages).toHaveLength(3);
    expect(messages[2]?.value).toEqual(first?.value);
  });

  it('sweep: publishes all overdue requests in one run, and no others', async () => {
    // Regression: the sweep published at most 500 requests per minute. So recovery from a lost topic took hours.
    await using ctx = await setUp();
    const overdueMs = giveUpAfterMs + 300_001;
    await ctx.addRequests(2_000, { ageMs: overdueMs });
    await ctx.addRequests(3, { ageMs: giveUpAfterMs });
    await ctx.addRequests(3, { ageMs: overdueMs, status: 'FULFILLED' });
    ctx.clock.advance(60_000);
    await expect.poll(() => ctx.log.text).toContain('published again');
    expect(ctx.log.text).toContain('"count":2000');
    expect(await ctx.published()).toBe(2_000);
  });

  it('sweep: publishes while the deletion of keys fails', async () => {
    // Regression: the transaction that published requests also deleted expired keys. If the deletion failed, nothing
    // was published.
    await using ctx = await setUp();
    await ctx.addRequests(1, { ageMs: giveUpAfterMs + 300_001 });
    await ctx.query.execute(sql`
    insert into voucher.idempotency_key (user_id, key, fingerprint, request_id, expires_at)
    values (gen_random_uuid(), 'old', '', gen_random_uuid(), '2020-01-01')`);
    await ctx.query.execute(sql`
    create function voucher.refuse() returns trigger language plpgsql as $$ begin raise 'not now'; end $$`);
    await ctx.query.execute(sql`
    create trigger refuse before delete on voucher.idempotency_key for each row execute function voucher.refuse()`);
    ctx.clock.advance(60_000);
    await expect.poll(ctx.published).toBe(1);
  });

  it('sweep: finds overdue requests by a partial index of pending ones', async () => {
    await using ctx = await setUp();
    await ctx.addRequests(5_000, { ageMs: giveUpAfterMs * 2, status: 'FULFILLED' });
    await ctx.addRequests(3, { ageMs: giveUpAfterMs * 2 });
    await ctx.query.execute(sql`analyze voucher.voucher_request`);
    const scanned = await indexScans(ctx.database, 'voucher', async () => {
      ctx.clock.advance(60_000);
      await expect.poll(ctx.published).toBe(3);
    });
    expect(scanned).toContain('voucher_request_overdue');
  });
});
