import { createHash } from 'node:crypto';
import { and, eq, getTableColumns, inArray, sql } from 'drizzle-orm';
import type { Queryable } from '../database.ts';
import { consumerGroup, parkedMessage } from '../tables.ts';
import { causeOf } from './cause.ts';
import type { RawMessage } from './handle.ts';

/** Whose messages: a group's, of a topic. */
export interface GroupOfTopic {
  topic: string;
  group: string;
}

/** A parked message that is to be retried now. */
export interface DueMessage {
  id: number;
  attempts: number;
  raw: RawMessage;
}

/** What is parked of a group and topic. */
export interface ParkedSummary {
  count: number;
  /** By partition, the position of the oldest one that the group has not passed otherwise. */
  oldest: ReadonlyMap<number, number>;
}

type Entry = RawMessage & GroupOfTopic & { error: unknown; isReplay?: boolean };

export const hashKey = (key: string) => createHash('sha256').update(key).digest('base64url');

/** Whether a message of this key is parked. */
export async function isKeyParked(query: Queryable, { topic, group, key }: GroupOfTopic & { key: string }) {
  const { rows } = await query.execute<{ found: boolean }>(sql`
    select exists (select from ${parkedMessage} where topic = ${topic} and consumer_group = ${group} and key_hash = ${hashKey(key)}) as found`);
  return rows[0]?.found === true;
}

/**
 * Parks a message with its cause; one that is parked already stays as it is, whoever parked it.
 *
 * @returns false where as many are parked as may be
 */
export async function parkMessage(query: Queryable, entry: Entry, maxParked: number): Promise<boolean> {
  const { topic, group, key, value, headers, partition, position, publishedAt, error, isReplay = false } = entry;
  const ofGroup = sql`topic = ${topic} and consumer_group = ${group}`;
  const { code, message } = causeOf(error);
  const { rows } = await query.execute<{ parked: boolean }>(sql`
    with added as (
      insert into ${parkedMessage}
        (topic, consumer_group, key_hash, partition, position, published_at, message, error_code, error_message, is_replay)
      select ${topic}, ${group}, ${hashKey(key)}, ${partition}::int, ${position}::bigint, ${publishedAt}::bigint,
        ${JSON.stringify({ key, value, headers })}, ${code}, ${message}, ${isReplay}::boolean
      where (select count(*) from (select from ${parkedMessage} where ${ofGroup} limit ${maxParked}) as parked) < ${maxParked}
      on conflict do nothing
      returning id
    )
    select exists (select from added) or exists (
      select from ${parkedMessage}
      where ${ofGroup} and partition = ${partition} and position = ${position} and published_at = ${publishedAt}
    ) as parked`);
  return rows[0]?.parked === true;
}

/**
 * Takes messages that are due, the first of each key alone, and has everybody else leave them alone for a while: a
 * process that dies with them gives them back by that.
 */
export async function claimDue(
  query: Queryable,
  { topic, group, limit, leaseMs }: GroupOfTopic & { limit: number; leaseMs: number },
): Promise<DueMessage[]> {
  const { rows } = await query.execute<{
    id: string | number;
    attempts: number;
    partition: number;
    position: string | number;
    published_at: string | number;
    message: string;
  }>(sql`
    update ${parkedMessage} set retry_at = now() + ${leaseMs} * interval '1 millisecond'
    where id in (
      select id from ${parkedMessage} as due
      where topic = ${topic} and consumer_group = ${group} and retry_at <= now() and not exists (
        select from ${parkedMessage} as earlier
        where earlier.topic = due.topic and earlier.consumer_group = due.consumer_group
          and earlier.key_hash = due.key_hash and earlier.id < due.id
      )
      order by retry_at, id limit ${limit} for update skip locked
    )
    returning id, attempts, partition, position, published_at, message`);
  return rows.map(({ id, attempts, partition, position, published_at, message }) => ({
    id: Number(id),
    attempts,
    raw: { ...JSON.parse(message), partition, position: Number(position), publishedAt: Number(published_at) },
  }));
}

/** Forgets one that is finished. */
export async function removeParked(query: Queryable, id: number): Promise<void> {
  await query.delete(parkedMessage).where(eq(parkedMessage.id, id));
}

/** Notes why one failed again, and when it is retried. */
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

/** Parked messages of every group and topic, oldest first: those with their texts, or the first `limit` without. */
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

/** The groups that have consumed by this database. */
export async function readConsumerGroups(query: Queryable): Promise<GroupOfTopic[]> {
  return query.select().from(consumerGroup);
}

/** Has them retried at once; returns the ids of those that are parked. */
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
