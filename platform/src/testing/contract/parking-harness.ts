import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { parkedMessage } from '../../database/tables.ts';
import type { ConsumerLimits } from '../../topics/consumer-limits.ts';
import { partitionOf } from '../../topics/kafka/connection/partitioner.ts';
import { type ConsumeOptions, deadLetterName, type Handler, type Topic } from '../../topics.ts';
import type { OpenTopics } from './topics-harness.ts';

const stepSchema = z.object({ key: z.string(), number: z.number().int() });
export type Step = z.infer<typeof stepSchema>;
export const group = 'readers';

/**
 * Opens a topics port with a new topic. With the result, a test can read the dead letters and the parked messages of
 * the topic.
 */
export async function setUpParking(open: OpenTopics) {
  const under = await open();
  const topic: Topic<Step> = { name: `steps-${randomUUID()}`, schema: stepSchema, key: ({ key }) => key };
  return {
    ...under,
    topic,
    publish: (...steps: Step[]) => under.database.transaction((tx) => under.topics.publishAll(tx, topic, steps)),
    /**
     * Starts a consumer of the group on a separate topics port, as in another process. `limits` are the limits of that
     * port.
     */
    async consume(
      handler: Handler<Step>,
      { limits, ...options }: Partial<ConsumeOptions<Step>> & { limits?: Partial<ConsumerLimits> } = {},
    ) {
      const topics = await under.another(limits);
      return { topics, consumer: await topics.consume({ topic, group, handler, ...options }) };
    },
    /** The parked messages in the database, oldest first. */
    parked: () => under.database.query.select().from(parkedMessage).orderBy(parkedMessage.id),
    /** Collects the keys and numbers of all messages that go to the dead-letter topic from now on. */
    async deadLetters() {
      const dead: string[] = [];
      await under.topics.consume({
        topic: { ...topic, name: deadLetterName(topic.name) },
        group: 'undertaker',
        handler: async ({ value }) => void dead.push(nameOf(value)),
      });
      return dead;
    },
    [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
  };
}

export const nameOf = ({ key, number }: Step) => `${key}${number}`;
export const steps = (key: string, count: number) => Array.from({ length: count }, (_, number) => ({ key, number }));
/** Returns keys that all belong to the same partition. */
export const keysTogether = (count: number) =>
  Array.from({ length: 20 * count }, (_, index) => `k${index}-`)
    .filter((key) => partitionOf(key, 3) === 0)
    .slice(0, count);
export const soon = { limits: { parkAfterMs: 100 } };
