import { and, eq } from 'drizzle-orm';
import type { Database } from '../database.ts';
import { consumerGroup } from '../tables.ts';
import type { RawMessage } from './handle.ts';
import { type GroupOfTopic, hasGroupStopped, isKeyParked, parkMessage, summarizeParked } from './parked-messages.ts';

/** Where a consumer of a group puts what it can't handle for longer than a limit. */
export interface Parking extends GroupOfTopic {
  readonly database: Database;
  /** Whether anything of the group was parked when it was last looked. */
  readonly isUsed: boolean;
  /** Whether one that reads it had stopped before this one began, because too many messages in a row went to dead-letter. */
  readonly hasStopped: boolean;
  /** Notes for those who begin after this one whether it has stopped. */
  noteStopped(hasStopped: boolean): Promise<void>;
  /** Stores a message with its cause; false where as many are parked as may be, of other members as of a second ago. */
  park(raw: RawMessage, error: unknown): Promise<boolean>;
  /** Parks a message if one of its key is parked, so that it does not overtake that one; else false. */
  parkBehind(raw: RawMessage): Promise<boolean>;
  /** The position through which everything is finished, though what is parked counts as finished in `position`. */
  hold(partition: number, position: number): number;
  /** Looks what is parked; called before the first message of a partition, and now and then. */
  refresh(): Promise<void>;
}

/**
 * A position waits for a parked message for so many positions: who resumes by it reads the topic from there, and must not
 * read all of it because of one message.
 */
const heldForPositions = 10_000;

/**
 * Parking keeps the order of a key: while one of its messages is parked, later ones are parked behind it, and they are
 * retried one after the other. What is known in memory is enough for that, for a key's messages are in one partition,
 * and what another member has parked of it is looked up before the partition's first message.
 */
export function createParking({
  database,
  topic,
  group,
  maxParked,
}: GroupOfTopic & { database: Database; maxParked: number }): Parking {
  const groupOfTopic = { topic, group };
  /** As of the last look, and what was parked here since. */
  let count = 0;
  let isRegistered = false;
  let hasStopped = false;
  let oldest = new Map<number, number>();
  /** Counts what was parked here, so that an older look does not hide it. */
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
    get hasStopped() {
      return hasStopped;
    },
    async noteStopped(value) {
      if (hasStopped === value) return;
      hasStopped = value;
      await database.query
        .update(consumerGroup)
        .set({ hasStopped: value })
        .where(and(eq(consumerGroup.topic, topic), eq(consumerGroup.group, group)));
    },
    park: store,
    async parkBehind(raw) {
      if (count === 0 || !(await isKeyParked(database.query, { ...groupOfTopic, key: raw.key }))) return false;
      if (!(await store(raw, new Error('an earlier message of its key is parked'))))
        throw new Error('an earlier message of its key is parked, and no more can be');
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
        hasStopped = await hasGroupStopped(database.query, groupOfTopic);
        isRegistered = true;
      }
      const summary = await summarizeParked(database.query, groupOfTopic);
      // What was parked meanwhile is in `oldest` already, and may be missing in the summary.
      const others = changes === before ? [] : oldest;
      count = summary.count + changes - before;
      oldest = new Map(summary.oldest);
      for (const [partition, position] of others)
        oldest.set(partition, Math.min(position, oldest.get(partition) ?? position));
    },
  };
}
