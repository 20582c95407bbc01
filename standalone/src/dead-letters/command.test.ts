import { platformMigrations } from '@voucher-gateway/platform/database/migrations';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestDatabase } from '@voucher-gateway/platform/testing/database';
import { kafkaDeadLetters } from '@voucher-gateway/platform/topics/kafka/dead-letter-reader';
import { parkMessage, readParked } from '@voucher-gateway/platform/topics/parked-messages';
import { expect, it } from 'vitest';
import { runDeadLettersCommand } from './command.ts';

const [nobody, retentionMs] = ['127.0.0.1:9', 1_000];

it('dead-letters: lists and replays parked messages without a broker', async () => {
  // Regression: without a broker `list` printed nothing, and `replay` reported a failure although it had worked.
  await using database = await openTestDatabase();
  await database.migrate(platformMigrations);
  const raw = { key: 'k', value: '{}', headers: {}, partition: 0, position: 7, publishedAt: 1 };
  const error = new Error('permission denied');
  await parkMessage(database.query, { topic: 'receive-code', group: 'delivery', ...raw, error });
  const readDeadLetters = kafkaDeadLetters({
    brokers: [nobody],
    clientId: 'test',
    partitions: 1,
    retentionMs,
    log: silentLog,
  });
  const run = (...ids: string[]) =>
    runDeadLettersCommand(
      { database, readDeadLetters },
      ids.length > 0 ? { name: 'replay', ids: new Set(ids) } : { name: 'list' },
    );

  const [row] = await readParked(database.query, { limit: 1 });
  const id = `parked:${row?.id}`;
  const listed = await run();
  expect(listed).toMatchObject({ done: false, message: expect.stringContaining('permission denied') });
  expect(listed.message).toContain('The dead letters can not be read: No broker has answered yet.');
  expect(await run(id)).toEqual({ done: true, message: `${id} is tried again now` });
  expect(await run(id, 'receive-code.dead-letter:0:1')).toEqual({
    done: false,
    message: `${id} is tried again now\nThe dead letters can not be read: No broker has answered yet.`,
  });
});

it('dead-letters: lists a message that the broker refused, retried only by replay', async () => {
  await using database = await openTestDatabase();
  await database.migrate(platformMigrations);
  const raw = { key: 'k', value: '{}', headers: {}, partition: 0, position: 7, publishedAt: 1 };
  const error = Object.assign(new Error('too large'), { code: 'TOPIC_VALUE_TOO_LARGE' });
  await parkMessage(database.query, { topic: 'receive-code', group: 'outbox', ...raw, error, isKept: true });
  const engines = { database, readDeadLetters: async () => {} };
  const { message } = await runDeadLettersCommand(engines, { name: 'list' });
  expect(message).toMatch(/receive-code → outbox {2}TOPIC_VALUE_TOO_LARGE: too large {2}\(until it is replayed\)$/);
  await runDeadLettersCommand(engines, { name: 'replay', ids: 'all' });
  const [row] = await readParked(database.query, { limit: 1 });
  expect(row?.retryAt.getTime()).toBeLessThan(Date.now() + 60_000);
});
