import { sql } from 'drizzle-orm';
import { within } from '../../../async/deadline.ts';
import { createNotifier } from '../../../async/notifier.ts';
import { pause } from '../../../async/pause.ts';
import { untilSettled } from '../../../async/until-settled.ts';
import { rowsOf } from '../../../database/rows.ts';
import { outbox } from '../../../database/tables.ts';
import type { Database, DatabaseSession, Transaction } from '../../../database.ts';
import type { Log } from '../../../process/log.ts';
import type { KafkaClient } from '../connection/client.ts';
import type { KafkaProducer } from '../connection/producer.ts';
import { createLeases } from './leases.ts';
import { createBatchSender } from './outbox-batches.ts';
import { returnReplayed } from './refused-messages.ts';

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

const channel = 'platform_outbox';
const pollEveryMs = 1_000;
const adoptEveryMs = 2_000;
const adoptSoonMs = 200;
const stopWithinMs = 1_000;

/**
 * Opens the outbox, and its relays, which send the stored messages to the broker. A lease ensures that one relay per
 * topic and database is active. Further relays wait, and take over from a relay that crashed or is frozen.
 *
 * A relay always reads the outbox from the lowest id, and does not continue after the last id that it has sent. The
 * reason is that a transaction with lower ids may commit later than one with higher ids. NOTIFY and a timer wake the
 * relay.
 */
export async function openOutbox({ database, producer, client, log }: OutboxOptions): Promise<Outbox> {
  await using releases = new AsyncDisposableStack();
  const stop = new AbortController();
  const notifier = releases.use(createNotifier(pollEveryMs));
  const relays = new Map<string, Promise<void>>();
  const leases = releases.use(createLeases({ openSession: database.openSession, log }));
  const isLeader = (topic: string) => leases.isHeld(leaseOf(topic));
  const sendBatch = createBatchSender({ database, producer, isLeader, log });

  const lead = async (topic: string) => {
    let isNotified = true;
    let wake = () => {};
    using _listening = notifier.listen(topic, () => {
      isNotified = true;
      wake();
    });
    stop.signal.addEventListener('abort', () => wake());
    let failures = 0;
    const isOver = () => stop.signal.aborted || !isLeader(topic);
    while (!isOver()) {
      isNotified = false;
      try {
        await untilSettled(client.ensureTopic(topic), stop.signal);
        let hasMore = true;
        while (hasMore && !isOver()) {
          hasMore = await sendBatch(topic);
          failures = 0;
        }
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
  // Starts relays for topics with messages that a stopped process has left, or that a process without a relay has
  // published.
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
  /**
   * Calls `adoptUnsent` after a short delay. During the delay, the process that published the messages can send them.
   */
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
    // After the time limit nothing is lost, because unsent messages stay in the outbox.
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

/** Adds messages within the publisher's transaction, and wakes the relays on commit. `messages` must not be empty. */
export async function addToOutbox(
  tx: Transaction,
  topic: string,
  messages: readonly Pick<typeof outbox.$inferInsert, 'key' | 'value' | 'headers'>[],
): Promise<void> {
  // One statement both adds the rows and notifies, because the round trip takes most of the time. PostgreSQL merges
  // equal notifications of a transaction.
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
