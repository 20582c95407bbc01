import { randomUUID } from 'node:crypto';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { expect, it } from 'vitest';
import { consumeOutcomes } from './consume-outcomes.ts';
import { voucherMigrations } from './migrations.ts';
import { consumedPosition } from './tables.ts';

// Regression: after a rollback 0.1 compares it with the message at the position, and takes the topic for a recreated one.
it('outcomes: leave no publish time of 0.1 at a later position', async () => {
  await using engines = await openTestEngines({ migrations: [voucherMigrations] });
  const { database, topics } = engines;
  const { name } = schemaTopics.receiveCode;
  await database.query
    .insert(consumedPosition)
    .values({ topic: name, partition: 0, position: 0, publishedAt: new Date(0) });
  await using _consumers = await consumeOutcomes(engines);
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
