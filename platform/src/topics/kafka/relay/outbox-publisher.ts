import { setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import { outbox } from '../../../database/tables.ts';
import type { Database } from '../../../database.ts';
import type { Topics } from '../../../topics.ts';
import { encodeValue } from '../../codec.ts';
import { addToOutbox } from './outbox.ts';

/** Publishes to the outbox only. A service on the same database sends the messages to the broker. */
export interface OutboxPublisher extends Pick<Topics, 'publish' | 'publishAll'> {
  /** Waits until all published messages of a topic are sent. Resolves with false after the time-out. */
  waitUntilSent(topic: string, timeoutMs: number): Promise<boolean>;
}

export function createOutboxPublisher(database: Database): OutboxPublisher {
  const publishAll: Topics['publishAll'] = async (tx, topic, values, { headers = {} } = {}) => {
    if (values.length === 0) return;
    await addToOutbox(
      tx,
      topic.name,
      values.map((value) => ({ key: topic.key(value), value: encodeValue(topic, value), headers })),
    );
  };
  return {
    publishAll,
    publish: (tx, topic, value, options) => publishAll(tx, topic, [value], options),
    async waitUntilSent(topic, timeoutMs) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const [unsent] = await database.query
          .select({ id: outbox.id })
          .from(outbox)
          .where(eq(outbox.topic, topic))
          .limit(1);
        if (!unsent) return true;
        if (performance.now() > deadline) return false;
        await sleep(50);
      }
    },
  };
}
