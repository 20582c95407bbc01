import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Database } from '../../database.ts';
import type { ConsumerLimits } from '../../topics/consumer-limits.ts';
import type { ConsumeOptions, Handler, Topic, Topics } from '../../topics.ts';

/** A topics port under test, with its database. */
export interface TopicsUnderTest extends AsyncDisposable {
  database: Database;
  topics: Topics;
  /**
   * Opens the topics port again on the same database and broker, as in another process. It is disposed with this
   * object.
   */
  another(limits?: Partial<ConsumerLimits>): Promise<Topics>;
  /** Stores a text in a topic without the publisher's checks. */
  publishRaw(topic: string, key: string, text: string): Promise<void>;
}

export interface Step {
  key: string;
  number: number;
}
const stepSchema = z.object({ key: z.string(), number: z.number().int() });
export const newTopic = (): Topic<Step> => ({
  name: `steps-${randomUUID()}`,
  schema: stepSchema,
  key: ({ key }) => key,
});

/** Collects values, so that a test can await a number of them. */
export function collector<T>() {
  const items: T[] = [];
  const waiters = new Set<{ count: number; resolve: (items: T[]) => void }>();
  return {
    items,
    add(item: T) {
      items.push(item);
      for (const waiter of waiters) if (items.length >= waiter.count) waiter.resolve([...items]);
    },
    /** Resolves with all values, once there are `count`. */
    first: (count: number) =>
      new Promise<T[]>((resolve) => {
        if (items.length >= count) return resolve([...items]);
        waiters.add({ count, resolve });
      }),
  };
}

export type OpenTopics = () => Promise<TopicsUnderTest>;

/** Opens a topics port with a new topic. */
export async function setUpTopics(open: OpenTopics) {
  const under = await open();
  const topic = newTopic();
  const publish = (...steps: Step[]) =>
    under.database.transaction(async (tx) => {
      for (const step of steps) await under.topics.publish(tx, topic, step);
    });
  return {
    ...under,
    topic,
    publish,
    /** Publishes, and resolves when readers can see the messages. With an outbox this is some time after the commit. */
    async publishAndWait(...steps: Step[]) {
      const seen = collector<Step>();
      await using _tail = await under.topics.tail({
        topic,
        from: { last: 0 },
        onMessage: ({ value }) => seen.add(value),
      });
      await publish(...steps);
      await seen.first(steps.length);
    },
    consume: (handler: Handler<Step>, options: Partial<ConsumeOptions<Step>> & { on?: Topics } = {}) =>
      (options.on ?? under.topics).consume({ topic, group: options.group ?? 'readers', handler, ...options }),
    [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
  };
}

/** Steps of a key, numbered from 0. */
export const steps = (key: string, count: number) => Array.from({ length: count }, (_, number) => ({ key, number }));
