import { randomUUID } from 'node:crypto';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { consumeOutcomes } from './consume-outcomes.ts';
import { voucherMigrations } from './migrations.ts';
import { consumedPosition } from './tables.ts';
import { startTestVoucherService } from './testing/voucher-service.ts';

describe('outcomes', () => {
  it('outcomes: store one voucher per request, numbered in order of consumption', async () => {
    await using ctx = await startTestVoucherService();
    const [a] = await ctx.receive({ receivedAt: '2026-01-03T00:00:00.000Z' });
    await ctx.receive({ ...a }, { receivedAt: '2026-01-01T00:00:00.000Z' }, { phoneNumber: '+84911111111' }, { ...a });
    const rows = (await ctx.rows('voucher')).toSorted((x, y) => Number(x.feed_number) - Number(y.feed_number));
    expect(rows.filter((row) => row.phone_number === ctx.ann.phoneNumber).map((row) => row.feed_number)).toEqual([
      1, 2,
    ]);
    expect(rows).toHaveLength(3);
  });

  it('outcomes: sends a malformed message to dead-letter, and continues', async () => {
    await using ctx = await startTestVoucherService();
    await ctx.engines.database.query.execute(sql`
    insert into platform.topic_message (topic, key, value, headers, published_at)
    values ('receive-code', 'k', 'no json', '{}', now()), ('receive-code', 'k', '{"code":"lost"}', '{}', now())`);
    await ctx.receive({});
    await expect
      .poll(
        async () =>
          (
            await ctx.engines.database.query.execute(
              sql`select 1 from platform.topic_message where topic = 'receive-code.dead-letter'`,
            )
          ).rows.length,
      )
      .toBe(2);
    expect(await ctx.rows('voucher')).toHaveLength(1);
  });

  // Regression: the service raised the position, but kept the publish time that version 0.1 had stored for a lower
  // position. After a downgrade, version 0.1 compared this time with the message at the raised position. The times
  // differed, so version 0.1 wrongly assumed that the topic had been recreated.
  it('outcomes: leave no publish time of 0.1 at a later position', async () => {
    await using engines = await openTestEngines({ migrations: [voucherMigrations] });
    const { database, topics } = engines;
    const { name } = schemaTopics.receiveCode;
    await database.query
      .insert(consumedPosition)
      .values({ topic: name, partition: 0, position: 0, publishedAt: new Date(0) });
    await using stage = new AsyncDisposableStack();
    await consumeOutcomes({ ...engines, stage });
    await database.transaction((tx) =>
      topics.publish(tx, schemaTopics.receiveCode, {
        id: randomUUID(),
        requestId: randomUUID(),
        code: 'CODE',
        phoneNumber: '+84901234567',
        status: 'SUCCESS',
        requestedAt: new Date(0).toISOString(),
        receivedAt: new Date(1).toISOString(),
        owner: { id: randomUUID() },
      }),
    );
    const read = async () => (await database.query.select().from(consumedPosition)).find(({ topic }) => topic === name);
    await expect.poll(async () => (await read())?.position).toBeGreaterThan(0);
    expect(await read()).toMatchObject({ partition: 0, publishedAt: null });
  });
});
