import { asc, eq, sql } from 'drizzle-orm';
import { within } from '../../async/deadline.ts';
import { createNotifier } from '../../async/notifier.ts';
import { pause } from '../../async/pause.ts';
import { isAnyId, rowsOf } from '../../database/rows.ts';
import { outbox } from '../../database/tables.ts';
import type { Database, DatabaseSession, Transaction } from '../../database.ts';
import { isCodedError, type PlatformErrorCode } from '../../errors.ts';
import type { Log } from '../../process/log.ts';
import type { KafkaClient } from './client.ts';
import { createLeases } from './leases.ts';
import type { KafkaProducer } from './producer.ts';
import { parkRefused, returnReplayed } from './refused-messages.ts';

export interface OutboxOptions {
  database: Database & { openSession(): Promise<DatabaseSession> };
  producer: KafkaProducer;
  client: Pick<KafkaClient, 'ensureTopic' | 'forgetTopic'>;
  log: Log;
}

export interface Outbox extends AsyncDisposable {
  add: typeof addToOutbox;
  /** Relays a topic's messages from now on, including those that other processes on this database add. */
  relay(topic: string): void;
}

/**
 * The header with the id of a message's row, by which duplicates are found: a relay that crashes before it deletes the
 * row sends it again.
 */
export const outboxIdHeader = 'outbox-id';

const channel = 'platform_outbox';
const sendAtOnce = 500;
/** The broker limits a whole batch, to 1 MiB by default. */
const sendBytesAtOnce = 700_000;
const pollEveryMs = 1_000;
const adoptEveryMs = 2_000;
const adoptSoonMs = 200;
const stopWithinMs = 2_000;

/**
 * The outbox and its relays. A lease keeps one relay per topic and database active; the others stand by, and one takes
 * over from a relay that crashed or is frozen.
 *
 * A relay always sends the lowest unsent ids, because a transaction that began earlier may commit later. It is woken by
 * NOTIFY, and periodically.
 */
export async function openOutbox({ database, producer, client, log }: OutboxOptions): Promise<Outbox> {
  await using releases = new AsyncDisposableStack();
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const notifier = releases.use(createNotifier(pollEveryMs));
  const relays = new Map<string, Promise<void>>();
  /** Per topic, the bytes per batch, once the broker has rejected the default. */
  const takenAtOnce = new Map<string, number>();
  const leases = releases.use(createLeases({ openSession: database.openSession, log }));

  /** Sends one batch; false when there was nothing to send. */
  const sendSome = async (topic: string): Promise<boolean> => {
    const unsent = await database.query
      .select()
      .from(outbox)
      .where(eq(outbox.topic, topic))
      .orderBy(asc(outbox.id))
      .limit(sendAtOnce);
    const bytesAtOnce = takenAtOnce.get(topic) ?? sendBytesAtOnce;
    const rows = takeBatch(unsent, bytesAtOnce);
    if (rows.length === 0) return false;
    // A process that was frozen must not send what another one has sent since.
    if (!leases.isHeld(leaseOf(topic))) return false;
    try {
      await producer.send(
        rows.map(({ id, key, value, headers }) => ({
          topic,
          key,
          value,
          headers: { ...headers, [outboxIdHeader]: String(id) },
        })),
      );
    } catch (error) {
      if (!isCodedError<PlatformErrorCode>(error, 'TOPIC_VALUE_TOO_LARGE')) throw error;
      await shrinkBatch(topic, rows, error, bytesAtOnce);
      return true;
    }
    await database.query.delete(outbox).where(
      isAnyId(
        outbox.id,
        rows.map(({ id }) => id),
        'bigint',
      ),
    );
    return true;
  };

  /** Halves the batches after a rejection, until a single message is known to be the cause. */
  const shrinkBatch = async (topic: string, rows: OutboxRow[], error: Error, bytesAtOnce: number): Promise<void> => {
    const [first] = rows;
    if (rows.length > 1 || !first) return void takenAtOnce.set(topic, bytesAtOnce / 2);
    await parkRefused(database, first, error, log);
    takenAtOnce.delete(topic);
  };

  const lead = async (topic: string) => {
    let isNotified = true;
    let wake = () => {};
    using _listening = notifier.listen(topic, () => {
      isNotified = true;
      wake();
    });
    stop.signal.addEventListener('abort', () => wake());
    let failures = 0;
    const isOver = () => stop.signal.aborted || !leases.isHeld(leaseOf(topic));
    while (!isOver()) {
      isNotified = false;
      try {
        await Promise.race([client.ensureTopic(topic), stopped]);
        while (!isOver() && (await sendSome(topic))) failures = 0;
      } catch (error) {
        if (isOver()) return;
        if (failures % 10 === 0) log.warn({ error, topic }, 'the outbox could not be sent; it is retried');
        client.forgetTopic(topic);
        await pause(Math.min(100 * 2 ** failures, 2_000), stop.signal);
        failures += 1;
        continue;
      }
      if (!isNotified && !isOver())
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  };

  const contend = async (topic: string) => {
    while (await leases.untilHeld(leaseOf(topic), stop.signal)) await lead(topic);
  };
  const relay = (topic: string) => {
    if (!relays.has(topic) && !stop.signal.aborted) relays.set(topic, contend(topic));
  };
  // Adopts messages that a stopped process has left, or that a process without a relay has published.
  const adoptUnsent = async () => {
    try {
      await returnReplayed(database);
      for (const { topic } of await database.query.selectDistinct({ topic: outbox.topic }).from(outbox)) relay(topic);
    } catch (error) {
      log.debug({ error }, 'the topics of the outbox could not be read');
    }
  };
  const adopt = async () => {
    while (!stop.signal.aborted) {
      await adoptUnsent();
      await pause(adoptEveryMs, stop.signal);
    }
  };
  let adoptTimer: NodeJS.Timeout | undefined;
  /** Delayed, to give the publisher's own relay time to send it. */
  const adoptSoon = () => {
    adoptTimer ??= setTimeout(() => {
      adoptTimer = undefined;
      void adoptUnsent();
    }, adoptSoonMs).unref();
  };
  releases.use(
    await database.listen(channel, (topic) => {
      notifier.notify(topic);
      if (!relays.has(topic)) adoptSoon();
    }),
  );
  const adopting = adopt();
  releases.defer(async () => {
    stop.abort();
    clearTimeout(adoptTimer);
    await adopting;
    // Unsent messages stay in the outbox.
    await within(stopWithinMs, Promise.all(relays.values())).catch((error: unknown) =>
      log.debug({ error }, 'a relay was abandoned while it was sending'),
    );
  });
  const owned = releases.move();

  return {
    add: addToOutbox,
    relay,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Adds at least one message within the publisher's transaction, and wakes the relays on commit. */
export async function addToOutbox(
  tx: Transaction,
  topic: string,
  messages: readonly Pick<typeof outbox.$inferInsert, 'key' | 'value' | 'headers'>[],
): Promise<void> {
  // One statement, since the round trip is most of the cost. PostgreSQL merges equal notifications of a transaction.
  await tx
    .insert(outbox)
    .select(
      rowsOf(
        outbox,
        messages.map((message) => ({ ...message, topic })),
        { id: nextId },
      ),
    )
    .returning({ notified: sql`pg_notify(${channel}, ${topic})` });
}

const nextId = sql`nextval(pg_get_serial_sequence('platform.outbox', 'id'))`;

const leaseOf = (topic: string) => `outbox:${topic}`;

type OutboxRow = typeof outbox.$inferSelect;

/** The first rows that fit into one batch, at least one. */
function takeBatch(rows: OutboxRow[], bytesAtOnce: number): OutboxRow[] {
  let bytes = 0;
  const end = rows.findIndex(({ value }, index) => {
    bytes += Buffer.byteLength(value) + 512;
    return index > 0 && bytes > bytesAtOnce;
  });
  return end === -1 ? rows : rows.slice(0, end);
}
