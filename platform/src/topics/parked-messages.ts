import { createHash } from 'node:crypto';
import { and, eq, getTableColumns, inArray, sql } from 'drizzle-orm';
import { consumerGroup, parkedMessage } from '../database/tables.ts';
import type { Queryable } from '../database.ts';
import { causeOf } from './cause.ts';
import type { RawMessage } from './message.ts';

/** A consumer group on one topic. */
export interface GroupOfTopic {
  topic: string;
  group: string;
}

/** A parked message that is due for a retry. */
export interface DueMessage {
  id: number;
  attempts: number;
  parkedForMs: number;
  raw: RawMessage;
}

/** Count and oldest positions of the parked messages of a group and topic. */
export interface ParkedSummary {
  count: number;
  /** Position of the oldest parked message per partition. Replayed messages do not count. */
  oldest: ReadonlyMap<number, number>;
}

type Entry = RawMessage & GroupOfTopic & { error: unknown; isReplay?: boolean; isKept?: boolean };

/** The due time of messages that are retried only when an operator replays them. */
export const untilReplayed = new Date('9999-12-31T00:00:00Z');

export const hashKey = (key: string) => createHash('sha256').update(key).digest('base64url');

/** Whether a message of this key is parked. */
export async function isKeyParked(query: Queryable, { topic, group, key }: GroupOfTopic & { key: string }) {
  const { rows } = await query.execute<{ found: boolean }>(sql`
    select exists (select from ${parkedMessage} where topic = ${topic} and consumer_group = ${group} and key_hash = ${hashKey(key)}) as found`);
  return rows[0]?.found === true;
}

/** Whether the group has parked messages of any topic. */
export async function isAnyParked(query: Queryable, group: string): Promise<boolean> {
  const { rows } = await query.execute<{ found: boolean }>(
    sql`select exists (select from ${parkedMessage} where consumer_group = ${group}) as found`,
  );
  return rows[0]?.found === true;
}

/**
 * Parks a message with its cause. If the message is already parked, nothing changes.
 *
 * @param entry with `isKept`, the message is not retried until an operator replays it
 */
export async function parkMessage(query: Queryable, entry: Entry): Promise<void> {
  const {
    topic,
    group,
    key,
    value,
    headers,
    partition,
    position,
    publishedAt,
    error,
    isReplay = false,
    isKept,
  } = entry;
  const { code, message } = causeOf(error);
  await query
    .insert(parkedMessage)
    .values({
      topic,
      group,
      keyHash: hashKey(key),
      partition,
      position,
      publishedAt,
      message: JSON.stringify({ key, value, headers }),
      errorCode: code,
      errorMessage: message,
      isReplay,
      ...(isKept && { retryAt: untilReplayed }),
    })
    .onConflictDoNothing();
}

/**
 * Claims due messages for the duration of a lease. Of each key, only the first message is claimed. If the claiming
 * process crashes, the messages are due again after the lease. Two concurrent claims never get the same message: the
 * second claim waits for the row lock, and then checks `retry_at` again.
 */
export async function claimDue(
  query: Queryable,
  { topic, group, limit, leaseMs }: GroupOfTopic & { limit: number; leaseMs: number },
): Promise<DueMessage[]> {
  const { rows } = await query.execute<{
    id: string | number;
    attempts: number;
    parked_for_ms: string | number;
    partition: number;
    position: string | number;
    published_at: string | number;
    message: string;
  }>(sql`
    update ${parkedMessage} set retry_at = now() + ${leaseMs} * interval '1 millisecond'
    where retry_at <= now() and id in (
      select id from (
        select distinct on (key_hash) id, retry_at from ${parkedMessage}
        where topic = ${topic} and consumer_group = ${group}
        order by key_hash, id
      ) as first_of_key
      where retry_at <= now()
      order by retry_at, id limit ${limit}
    )
    returning id, attempts, extract(epoch from now() - parked_at) * 1000 as parked_for_ms, partition, position, published_at, message`);
  return rows.map(({ id, attempts, parked_for_ms, partition, position, published_at, message }) => ({
    id: Number(id),
    attempts,
    parkedForMs: Number(parked_for_ms),
    raw: { ...JSON.parse(message), partition, position: Number(position), publishedAt: Number(published_at) },
  }));
}

/** Deletes a parked message that is finished. */
export async function removeParked(query: Queryable, id: number): Promise<void> {
  await query.delete(parkedMessage).where(eq(parkedMessage.id, id));
}

/** Stores a parked message's latest error, and the time of its next retry. */
export async function postpone(
  query: Queryable,
  id: number,
  { error, delayMs }: { error: unknown; delayMs: number },
): Promise<void> {
  const { code, message } = causeOf(error);
  await query
    .update(parkedMessage)
    .set({
      attempts: sql`${parkedMessage.attempts} + 1`,
      errorCode: code,
      errorMessage: message,
      retryAt: sql`now() + ${delayMs} * interval '1 millisecond'`,
    })
    .where(eq(parkedMessage.id, id));
}

export type ParkedRow = typeof parkedMessage.$inferSelect;

/**
 * Reads parked messages of all groups and topics. With `ids`, returns these messages with their content. With `limit`,
 * returns the oldest messages without their content.
 */
export async function readParked(
  query: Queryable,
  which: { ids: readonly number[] } | { limit: number },
): Promise<ParkedRow[]> {
  if ('ids' in which)
    return which.ids.length === 0
      ? []
      : query
          .select()
          .from(parkedMessage)
          .where(inArray(parkedMessage.id, [...which.ids]));
  return query
    .select({ ...getTableColumns(parkedMessage), message: sql<string>`'{}'` })
    .from(parkedMessage)
    .orderBy(parkedMessage.id)
    .limit(which.limit);
}

/** Reads the consumer groups that park their messages in this database. */
export async function readConsumerGroups(query: Queryable): Promise<GroupOfTopic[]> {
  return query.select().from(consumerGroup);
}

export interface GroupStop {
  hasStopped: boolean;
  /** Number of dead letters in a row after which the consumer stopped; null if unknown. */
  stoppedAfter: number | null;
}

export async function readGroupStop(query: Queryable, { topic, group }: GroupOfTopic): Promise<GroupStop> {
  const [row] = await query
    .select({ hasStopped: consumerGroup.hasStopped, stoppedAfter: consumerGroup.stoppedAfter })
    .from(consumerGroup)
    .where(and(eq(consumerGroup.topic, topic), eq(consumerGroup.group, group)));
  return row ?? { hasStopped: false, stoppedAfter: null };
}

/** Makes parked messages due now. Returns the ids of these messages, without ids that do not exist. */
export async function retryAtOnce(query: Queryable, ids: readonly number[] | 'all'): Promise<number[]> {
  if (ids.length === 0) return [];
  const rows = await query
    .update(parkedMessage)
    .set({ retryAt: sql`now()` })
    .where(ids === 'all' ? undefined : inArray(parkedMessage.id, [...ids]))
    .returning({ id: parkedMessage.id });
  return rows.map(({ id }) => id).toSorted((one, other) => one - other);
}

export async function summarizeParked(query: Queryable, { topic, group }: GroupOfTopic): Promise<ParkedSummary> {
  const rows = await query
    .select({
      partition: parkedMessage.partition,
      count: sql<string>`count(*)`,
      oldest: sql<string | null>`min(${parkedMessage.position}) filter (where not ${parkedMessage.isReplay})`,
    })
    .from(parkedMessage)
    .where(and(eq(parkedMessage.topic, topic), eq(parkedMessage.group, group)))
    .groupBy(parkedMessage.partition);
  const oldest = new Map<number, number>();
  for (const row of rows) if (row.oldest !== null) oldest.set(row.partition, Number(row.oldest));
  return { count: rows.reduce((sum, { count }) => sum + Number(count), 0), oldest };
}
