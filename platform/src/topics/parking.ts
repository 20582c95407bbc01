import { and, eq } from 'drizzle-orm';
import { consumerGroup } from '../database/tables.ts';
import type { Database } from '../database.ts';
import type { RawMessage } from './message.ts';
import {
  type GroupOfTopic,
  type GroupStop,
  isKeyParked,
  parkMessage,
  readGroupStop,
  summarizeParked,
} from './parked-messages.ts';

/** Stores a message that a consumer of the group has failed to handle for `PARK_AFTER`, so that the group continues. */
export interface Parking extends GroupOfTopic {
  readonly database: Database;
  /** Whether the group had parked messages at the last refresh. */
  readonly isUsed: boolean;
  /**
   * Whether an earlier consumer of the group had stopped, because too many messages in a row went to the dead-letter
   * topic.
   */
  readonly stop: GroupStop;
  /** Stores whether this consumer has stopped. Later consumers of the group read this as `stop`. */
  noteStop(stop: GroupStop): Promise<void>;
  /**
   * Parks a message with the error. Resolves with false if the group already has `maxParked` parked messages. Messages
   * that other consumers of the group have parked are counted with a delay of a second.
   */
  park(raw: RawMessage, error: unknown): Promise<boolean>;
  /**
   * Parks a message if an earlier message of its key is parked, so that the order of the key is kept. Otherwise
   * resolves with false.
   */
  parkIfKeyParked(raw: RawMessage): Promise<boolean>;
  /**
   * Returns the lower of two positions: `position`, and the position before the partition's oldest parked message. A
   * parked message 10,000 or more positions before `position` is ignored.
   */
  hold(partition: number, position: number): number;
  /** Reads which messages are parked. Called before the first message of a partition, and periodically. */
  refresh(): Promise<void>;
}

/**
 * Number of positions by which a parked message can delay the finished position of its partition. Resuming
 * subscriptions read the topic from the finished position, and must not read the whole topic because of one parked
 * message.
 */
const heldForPositions = 10_000;

/**
 * Parking keeps the order of a key. While a message of the key is parked, later messages of the key are also parked,
 * and retried in order.
 *
 * While `count` is 0, `parkIfKeyParked` needs no query. All messages of a key are in one partition, and `refresh`
 * counts the parked messages before the partition's first message is handled. So if `count` is 0, no earlier message of
 * the key is parked.
 */
export function createParking({
  database,
  topic,
  group,
  maxParked,
}: GroupOfTopic & { database: Database; maxParked: number }): Parking {
  const groupOfTopic = { topic, group };
  /** The number of parked messages at the last refresh, plus those that this process has parked since. */
  let count = 0;
  let isRegistered = false;
  let stop: GroupStop = { hasStopped: false, stoppedAfter: null };
  let oldest = new Map<number, number>();
  /**
   * Number of messages that this process has parked. If it changes during the query of a refresh, the query may have
   * missed the new messages.
   */
  let changes = 0;
  const store = async (raw: RawMessage, error: unknown): Promise<boolean> => {
    if (count >= maxParked) return false;
    await parkMessage(database.query, { ...groupOfTopic, ...raw, error });
    changes += 1;
    count += 1;
    oldest.set(raw.partition, Math.min(raw.position, oldest.get(raw.partition) ?? raw.position));
    return true;
  };
  return {
    ...groupOfTopic,
    database,
    get isUsed() {
      return count > 0;
    },
    get stop() {
      return stop;
    },
    async noteStop(value) {
      if (stop.hasStopped === value.hasStopped && stop.stoppedAfter === value.stoppedAfter) return;
      stop = value;
      await database.query
        .update(consumerGroup)
        .set(value)
        .where(and(eq(consumerGroup.topic, topic), eq(consumerGroup.group, group)));
    },
    park: store,
    async parkIfKeyParked(raw) {
      if (count === 0 || !(await isKeyParked(database.query, { ...groupOfTopic, key: raw.key }))) return false;
      if (!(await store(raw, new Error('an earlier message of its key is parked'))))
        throw new Error('an earlier message of its key is parked, and the limit of parked messages is reached');
      return true;
    },
    hold(partition, position) {
      const first = oldest.get(partition);
      if (first === undefined || first > position || position - first >= heldForPositions) return position;
      return first - 1;
    },
    async refresh() {
      const before = changes;
      if (!isRegistered) {
        await database.query.insert(consumerGroup).values(groupOfTopic).onConflictDoNothing();
        stop = await readGroupStop(database.query, groupOfTopic);
        isRegistered = true;
      }
      const summary = await summarizeParked(database.query, groupOfTopic);
      // Messages parked during the query are already in `oldest`, but may be missing in the summary.
      const others = changes === before ? [] : oldest;
      count = summary.count + changes - before;
      oldest = new Map(summary.oldest);
      for (const [partition, position] of others)
        oldest.set(partition, Math.min(position, oldest.get(partition) ?? position));
    },
  };
}
