import { and, asc, desc, eq, gt, sql } from 'drizzle-orm';
import type { Clock } from '../clock.ts';
import { createCoalesced } from '../coalesced.ts';
import type { Database, Transaction } from '../database.ts';
import { deleteFrom, startHousekeeping } from '../housekeeping.ts';
import type { Log } from '../log.ts';
import { topicMessage } from '../tables.ts';
import type { Message, Tail, TailOptions, Topics } from '../topics.ts';
import { createNotifier } from './bell.ts';
import { createConsumerFailures } from './consumer-failures.ts';
import { type ConsumerLimits, defaultConsumerLimits } from './consumer-limits.ts';
import { startGroup } from './embedded-group.ts';
import { checkMessage, type RawMessage } from './handle.ts';
import { createReaders } from './readers.ts';
import { encodeValue } from './wire.ts';

export interface EmbeddedTopicsOptions {
  database: Database;
  clock: Clock;
  log: Log;
  /** Messages older than this are deleted. Default: 7 days. */
  retentionMs?: number;
  /** Default: those of the settings. */
  limits?: Partial<ConsumerLimits>;
}

/** A row of the log, with an unchecked value. */
export type LoggedMessage = typeof topicMessage.$inferSelect;

/** Access to the log for groups and tails. */
export interface MessageLog {
  /** Messages after a position, oldest first, at most `limit`. */
  read(topic: string, after: number, limit: number): Promise<LoggedMessage[]>;
  /** Calls `onNotify` when there may be new messages: after a commit, and periodically. */
  listen(topic: string, onNotify: () => void): Disposable;
  append(
    tx: Transaction,
    topic: string,
    messages: readonly { key: string; value: string; headers: Record<string, string> }[],
  ): Promise<void>;
}

/** The log has one partition. */
export const partition = 0;

const readAtOnce = 500;
const pollEveryMs = 1_000;
const channel = 'platform_topics';

/**
 * The topics port on a message log in the embedded database. Publishing appends to the log within the caller's
 * transaction, so that log and outbox are one.
 *
 * The database has one connection, so positions become visible in order, and a reader by position misses nothing.
 */
export async function createEmbeddedTopics({
  database,
  clock,
  log,
  retentionMs = 7 * 86_400_000,
  limits,
}: EmbeddedTopicsOptions): Promise<Topics> {
  await using releases = new AsyncDisposableStack();
  const notifier = releases.use(createNotifier(pollEveryMs));
  releases.use(await database.listen(channel, (topic) => notifier.notify(topic)));
  releases.use(
    startHousekeeping({
      database,
      clock,
      log,
      retentions: [
        {
          name: 'messages',
          keepMs: retentionMs,
          deleteSome: deleteFrom(topicMessage, topicMessage.publishedAt),
        },
      ],
    }),
  );

  const messages: MessageLog = {
    read: (topic, after, limit) =>
      database.query
        .select()
        .from(topicMessage)
        .where(and(eq(topicMessage.topic, topic), gt(topicMessage.id, after)))
        .orderBy(asc(topicMessage.id))
        .limit(limit),
    listen: (topic, onNotify) => notifier.listen(topic, onNotify),
    async append(tx, topic, added) {
      const publishedAt = new Date(clock.now());
      await tx.insert(topicMessage).values(added.map((message) => ({ ...message, topic, publishedAt })));
      await tx.execute(sql`select pg_notify(${channel}, ${topic})`);
    },
  };
  const readers = releases.use(createReaders());
  const failures = createConsumerFailures();
  const groupContext = { database, messages, limits: { ...defaultConsumerLimits, ...limits }, failures, log };
  const owned = releases.move();

  const publishAll: Topics['publishAll'] = async (tx, topic, values, { headers = {} } = {}) => {
    if (values.length === 0) return;
    const encoded = values.map((value) => ({ key: topic.key(value), value: encodeValue(topic, value), headers }));
    await messages.append(tx, topic.name, encoded);
  };

  return {
    publish: (tx, topic, value, options) => publishAll(tx, topic, [value], options),
    publishAll,
    consume: async (options) => readers.track(await startGroup({ ...options, ...groupContext })),
    tail: async (options) => readers.track(await startTail(options, { database, messages, log })),
    ping: () => database.ping(),
    failures: failures.list,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Converts a row to the form that both adapters use. */
export function toRawMessage({ id, key, value, headers, publishedAt }: LoggedMessage): RawMessage {
  return { key, value, headers, partition, position: id, publishedAt: publishedAt.getTime() };
}

async function startTail<Value>(
  { topic, from, onMessage }: TailOptions<Value>,
  { database, messages, log }: { database: Database; messages: MessageLog; log: Log },
): Promise<Tail> {
  const newest = async (offset: number) => {
    const rows = await database.query
      .select({ id: topicMessage.id })
      .from(topicMessage)
      .where(eq(topicMessage.topic, topic.name))
      .orderBy(desc(topicMessage.id))
      .offset(offset)
      .limit(1);
    return rows[0]?.id;
  };
  const end = (await newest(0)) ?? 0;
  const oldestKept = await messages.read(topic.name, 0, 1);
  const beforeOldest = (oldestKept[0]?.id ?? 1) - 1;
  // Positions count the whole log. Whether a topic lost older messages is known only if the log itself has lost some.
  const lost = await database.query
    .select({ id: topicMessage.id })
    .from(topicMessage)
    .orderBy(asc(topicMessage.id))
    .limit(1);
  const floor = (lost[0]?.id ?? 1) > 1 ? beforeOldest : 0;
  let position: number;
  if (from === 'now') position = end;
  else if ('last' in from) position = (await newest(from.last)) ?? floor;
  else position = Math.max(from.after[partition] ?? 0, floor);
  const coversAfter = position;

  let stopped = false;
  let reading: Promise<void> | null = null;
  let again = false;
  const readNew = async () => {
    for (;;) {
      const rows = await messages.read(topic.name, position, readAtOnce);
      for (const row of rows) {
        if (stopped) return;
        position = row.id;
        let message: Message<Value>;
        try {
          message = checkMessage(topic, toRawMessage(row));
        } catch (error) {
          log.warn({ error, topic: topic.name, position }, 'a tail skips a message that does not parse');
          continue;
        }
        onMessage(message);
      }
      if (rows.length < readAtOnce) return;
    }
  };
  await readNew();
  const waiting = new Set<() => void>();
  const notify = () => {
    if (stopped) return;
    if (reading) {
      again = true;
      return;
    }
    again = false;
    reading = readNew()
      .catch((error: unknown) => log.warn({ error, topic: topic.name }, 'a tail could not read; it retries'))
      .finally(() => {
        reading = null;
        for (const look of waiting) look();
        if (again) notify();
      });
  };
  const listening = messages.listen(topic.name, notify);
  notify();
  // Retention may have deleted what was read.
  const newestOfAll = createCoalesced(async () => Math.max((await newest(0)) ?? 0, position));
  return {
    startedAt: { [partition]: end },
    coversAfter: { [partition]: coversAfter },
    async caughtUp() {
      const until = await newestOfAll();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => {
        if (position >= until) resolve();
        else if (stopped) reject(new Error('the tail is closed'));
        else notify();
      };
      waiting.add(look);
      look();
      await promise.finally(() => waiting.delete(look));
      return { [partition]: until };
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      for (const look of waiting) look();
      listening[Symbol.dispose]();
      await reading;
    },
  };
}
