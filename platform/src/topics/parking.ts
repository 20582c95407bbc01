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

/** Where a consumer of a group parks messages that fail for longer than a limit. */
export interface Parking extends GroupOfTopic {
  readonly database: Database;
  /** Whether the group had parked messages at the last refresh. */
  readonly isUsed: boolean;
  /** Whether an earlier consumer of the group had stopped, because too many messages in a row went to dead-letter. */
  readonly stop: GroupStop;
  /** Stores for later consumers of the group whether this one has stopped. */
  noteStop(stop: GroupStop): Promise<void>;
  /** Stores a message with its cause. False if the limit is reached; the count of other members is a second old. */
  park(raw: RawMessage, error: unknown): Promise<boolean>;
  /** Parks a message if one of its key is parked, so that it does not overtake that one; else returns false. */
  parkIfKeyParked(raw: RawMessage): Promise<boolean>;
  /**
   * Corrects a position that counts parked messages as finished: returns the one before the partition's oldest parked
   * message, if there is one. A message 10,000 or more positions before `position` is ignored.
   */
  hold(partition: number, position: number): number;
  /** Reads which messages are parked; called before the first message of a partition, and periodically. */
  refresh(): Promise<void>;
}

/**
 * A parked message holds a position back by at most this much: resuming subscribers read the topic from there, and must
 * not read all of it because of one message.
 */
const heldForPositions = 10_000;

/**
 * Parking keeps the order of a key: while one of its messages is parked, later ones are parked too, and all are retried
 * in order.
 *
 * The state in memory is enough for that, since a key's messages are in one partition. What another member has parked
 * of it is read before the partition's first message.
 */
export function createParking({
  database,
  topic,
  group,
  maxParked,
}: GroupOfTopic & { database: Database; maxParked: number }): Parking {
  const groupOfTopic = { topic, group };
  /** As of the last refresh, plus what was parked here since. */
  let count = 0;
  let isRegistered = false;
  let stop: GroupStop = { hasStopped: false, stoppedAfter: null };
  let oldest = new Map<number, number>();
  /** Counts messages parked here, so that an older refresh does not hide them. */
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
      // Messages parked during the query are in `oldest` already, and may be missing in the summary.
      const others = changes === before ? [] : oldest;
      count = summary.count + changes - before;
      oldest = new Map(summary.oldest);
      for (const [partition, position] of others)
        oldest.set(partition, Math.min(position, oldest.get(partition) ?? position));
    },
  };
}
