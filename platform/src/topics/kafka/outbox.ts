import { asc, eq, sql } from 'drizzle-orm';
import { isAnyId, rowsOf } from '../../database/rows.ts';
import type { Database, DatabaseSession, Transaction } from '../../database.ts';
import { isCodedError, type PlatformErrorCode } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { outbox } from '../../tables.ts';
import { within } from '../../within.ts';
import { pause } from '../attempt.ts';
import { createBell } from '../bell.ts';
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
  /** Sends a topic's messages from now on, also those that other processes on this database add. */
  relay(topic: string): void;
}

/** The header that tells a message's row: a relay that dies between the broker's ack and its own mark sends it again. */
export const outboxIdHeader = 'outbox-id';

const channel = 'platform_outbox';
const sendAtOnce = 500;
/** The broker takes a batch as one message, of 1 MiB by default. */
const sendBytesAtOnce = 700_000;
const pollEveryMs = 1_000;
const adoptEveryMs = 2_000;
const adoptSoonMs = 200;
const stopWithinMs = 2_000;

/**
 * The outbox and its relays. One relay per topic and database is at work at a time, by a lease; the other processes
 * stand by, and one of them follows a relay that is gone, or frozen. It takes what is unsent in the order of ids, whatever it sent before: a
 * transaction that began earlier may commit later. It is woken by NOTIFY and now and then by itself.
 */
export async function openOutbox({ database, producer, client, log }: OutboxOptions): Promise<Outbox> {
  await using releases = new AsyncDisposableStack();
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const bell = releases.use(createBell(pollEveryMs));
  const relays = new Map<string, Promise<void>>();
  /** By topic, what the broker takes at once, where it has refused as much as is sent otherwise. */
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
    const rows = firstThatFit(unsent, bytesAtOnce);
    if (rows.length === 0) return false;
    // A process that was frozen until now must not send what another has sent meanwhile.
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
      await makeWay(topic, rows, error, bytesAtOnce);
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

  /** Of a batch that the broker refuses, less is sent at once, until one message alone is known to be refused. */
  const makeWay = async (topic: string, rows: OutboxRow[], error: Error, bytesAtOnce: number): Promise<void> => {
    const [first] = rows;
    if (rows.length > 1 || !first) return void takenAtOnce.set(topic, bytesAtOnce / 2);
    await parkRefused(database, first, error, log);
    takenAtOnce.delete(topic);
  };

  const lead = async (topic: string) => {
    let rung = true;
    let wake = () => {};
    using _listening = bell.listen(topic, () => {
      rung = true;
      wake();
    });
    stop.signal.addEventListener('abort', () => wake());
    let failures = 0;
    const isOver = () => stop.signal.aborted || !leases.isHeld(leaseOf(topic));
    while (!isOver()) {
      rung = false;
      try {
        await Promise.race([client.ensureTopic(topic), stopped]);
        while (!isOver() && (await sendSome(topic))) failures = 0;
      } catch (error) {
        if (isOver()) return;
        if (failures % 10 === 0) log.warn({ error, topic }, 'the outbox could not be sent; it is tried again');
        client.forgetTopic(topic);
        await pause(Math.min(100 * 2 ** failures, 2_000), stop.signal);
        failures += 1;
        continue;
      }
      if (!rung && !isOver())
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
  // What a process that is gone has left behind, or one without a relay has published, is everybody's.
  const adoptUnsent = async () => {
    try {
      await returnReplayed(database);
      for (const { topic } of await database.query.selectDistinct({ topic: outbox.topic }).from(outbox)) relay(topic);
    } catch (error) {
      log.debug({ error }, 'the outbox could not be looked through');
    }
  };
  const adopt = async () => {
    while (!stop.signal.aborted) {
      await adoptUnsent();
      await pause(adoptEveryMs, stop.signal);
    }
  };
  let adoptTimer: NodeJS.Timeout | undefined;
  /** Soon, and not at once: the publisher's own relay is given the time to send it. */
  const adoptSoon = () => {
    adoptTimer ??= setTimeout(() => {
      adoptTimer = undefined;
      void adoptUnsent();
    }, adoptSoonMs).unref();
  };
  releases.use(
    await database.listen(channel, (topic) => {
      bell.ring(topic);
      if (!relays.has(topic)) adoptSoon();
    }),
  );
  const adopting = adopt();
  releases.defer(async () => {
    stop.abort();
    clearTimeout(adoptTimer);
    await adopting;
    // What a broker that is away has not taken by then stays in the outbox.
    await within(stopWithinMs, Promise.all(relays.values())).catch((error: unknown) =>
      log.debug({ error }, 'a relay was given up while it sent'),
    );
  });
  const owned = releases.move();

  return {
    add: addToOutbox,
    relay,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Adds messages, one at least, within the publisher's transaction, and wakes the relays when it commits. */
export async function addToOutbox(
  tx: Transaction,
  topic: string,
  messages: readonly Pick<typeof outbox.$inferInsert, 'key' | 'value' | 'headers'>[],
): Promise<void> {
  // One statement: a round trip is most of what it costs. Equal notifications of a transaction are one.
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

/** The rows from the front that go into one batch, one at least. */
function firstThatFit(rows: OutboxRow[], bytesAtOnce: number): OutboxRow[] {
  let bytes = 0;
  const end = rows.findIndex(({ value }, index) => {
    bytes += Buffer.byteLength(value) + 512;
    return index > 0 && bytes > bytesAtOnce;
  });
  return end === -1 ? rows : rows.slice(0, end);
}
