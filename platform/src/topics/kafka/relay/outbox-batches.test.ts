import { expect, it } from 'vitest';
import { outbox } from '../../../database/tables.ts';
import { silentLog } from '../../../process/log.ts';
import { openRealDatabase } from '../../../testing/real-engines.ts';
import { addToOutbox } from './outbox.ts';
import { createBatchSender } from './outbox-batches.ts';

// Regression: after each batch, the outbox was read again although no message was left.
it('relay batches: report whether more messages were waiting, and leave none', async () => {
  await using database = await openRealDatabase();
  const sizes: number[] = [];
  const producer = {
    send: async (messages: readonly unknown[]) => void sizes.push(messages.length),
    [Symbol.asyncDispose]: async () => {},
  };
  const sendBatch = createBatchSender({ database, producer, isLeader: () => true, log: silentLog });
  const publish = (count: number, value: string) => {
    const messages = Array.from({ length: count }, () => ({ key: '', value, headers: {} }));
    return database.transaction((tx) => addToOutbox(tx, 'numbers', messages));
  };
  const sendAll = async () => {
    let reads = 1;
    while (await sendBatch('numbers')) reads += 1;
    return reads;
  };

  await publish(3, '1');
  expect(await sendAll()).toBe(1);
  await publish(501, '1');
  expect(await sendAll()).toBe(2);
  await publish(3, '1'.repeat(400_000));
  expect(await sendAll()).toBe(3);
  expect(sizes).toEqual([3, 500, 1, 1, 1, 1]);
  expect(await database.query.select().from(outbox)).toEqual([]);
});
