import { and, eq, sql } from 'drizzle-orm';
import type { Database } from '../database.ts';
import { createSlots } from '../slots.ts';
import { topicPosition } from '../tables.ts';
import { type ConsumeOptions, deadLetterName } from '../topics.ts';
import { pause } from './attempt.ts';
import { createConsumerFailures } from './consumer-failures.ts';
import { defaultConsumerLimits } from './consumer-limits.ts';
import { type MessageLog, partition, rawMessage } from './embedded.ts';
import { type GroupContext, reportStopped } from './group-context.ts';
import { createMessageHandler, type RawMessage, textLengthOf } from './handle.ts';
import { createKeyQueues } from './key-queues.ts';
import { createLowWaterMark } from './low-water-mark.ts';
import { createParking } from './parking.ts';
import { retryParked } from './retry-parked.ts';

/** The mark is stored at most this often, and when the group stops: a crash repeats what came since. */
const storeEveryMs = 100;
const readAtOnce = 500;

/**
 * One dispatcher of a group: reads the log by position, keeps a queue in memory a key, and stores the
 * position through which everything is finished.
 */
export async function startGroup<Value>({
  topic,
  group,
  handler,
  concurrency = 64,
  onAssigned = async () => {},
  onFinishedThrough = async () => {},
  database,
  messages,
  limits = defaultConsumerLimits,
  failures = createConsumerFailures(),
  log,
}: ConsumeOptions<Value> & GroupContext & { database: Database; messages: MessageLog }): Promise<AsyncDisposable> {
  const fields = { topic: topic.name, group };
  const stop = new AbortController();
  const [stored] = await database.query
    .select()
    .from(topicPosition)
    .where(and(eq(topicPosition.topic, topic.name), eq(topicPosition.group, group)));
  let readThrough = stored?.position ?? 0;
  const parking = createParking({ database, topic: topic.name, group, maxParked: limits.maxParked });
  await parking.refresh();
  let storedThrough = readThrough;
  let toldThrough = parking.hold(partition, { position: readThrough }).position;
  await onAssigned(partition, toldThrough);
  const slots = createSlots(concurrency);
  const maxHeld = Math.max(limits.maxHeld, 2 * concurrency);
  const mark = createLowWaterMark(readThrough);
  const queues = createKeyQueues();
  let wake: () => void = () => {};
  let rung = true;
  const ring = () => {
    rung = true;
    wake();
  };

  const storeMark = async () => {
    const place = mark.through();
    const { position } = place;
    if (position !== storedThrough) {
      await database.query
        .insert(topicPosition)
        .values({ topic: topic.name, group, position })
        .onConflictDoUpdate({
          target: [topicPosition.topic, topicPosition.group],
          set: { position: sql`greatest(${topicPosition.position}, excluded.position)` },
        });
      storedThrough = position;
    }
    const finished = parking.hold(partition, place);
    if (finished.position <= toldThrough) return;
    await onFinishedThrough(partition, finished);
    toldThrough = finished.position;
  };
  /** Whether a place is due to be stored: a parked message is finished without a ring. */
  const isMarkDue = () =>
    mark.through().position !== storedThrough || parking.hold(partition, mark.through()).position > toldThrough;

  const { handle, handleParked, bury } = createMessageHandler({
    topic,
    group,
    handler,
    log,
    signal: stop.signal,
    slots,
    limits,
    parking,
    bury: (message) => database.transaction((tx) => messages.append(tx, deadLetterName(topic.name), [message])),
    onTooManyBuried(error) {
      reportStopped({ failures, reader: stop, log, fields, error });
      void end();
    },
  });
  const work = async (raw: RawMessage) => {
    if (!(await handle(raw, () => parking.hold(partition, mark.through(raw.position))))) return;
    mark.finish(raw.position);
    ring();
  };

  const dispatch = async () => {
    let storeAt = 0;
    while (!stop.signal.aborted) {
      try {
        rung = false;
        const room = mark.bytes < limits.maxHeldBytes ? Math.min(maxHeld - mark.size, readAtOnce) : 0;
        const rows = room > 0 ? await messages.read(topic.name, readThrough, room) : [];
        for (const row of rows) {
          readThrough = row.id;
          const raw = rawMessage(row);
          mark.take(raw, textLengthOf(raw));
          queues.run(row.key, () => work(raw));
        }
        if (performance.now() >= storeAt) {
          await storeMark();
          storeAt = performance.now() + storeEveryMs;
        }
        if (rows.length > 0 && rows.length === room) continue;
      } catch (error) {
        if (stop.signal.aborted) break;
        log.warn({ error, ...fields }, 'a group could not read; it tries again');
        await pause(500, stop.signal);
        continue;
      }
      if (!rung && !stop.signal.aborted) {
        // A mark that is not stored yet wakes by itself: there may be nothing to ring.
        const due = isMarkDue() ? setTimeout(ring, storeEveryMs) : undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        clearTimeout(due);
      }
    }
  };

  const listening = messages.listen(topic.name, ring);
  stop.signal.addEventListener('abort', () => wake());
  const dispatching = dispatch();
  const retrying = retryParked({ parking, handle: handleParked, bury, signal: stop.signal, log });
  let ending: Promise<void> | undefined;
  const end = () => {
    ending ??= (async () => {
      listening[Symbol.dispose]();
      stop.abort();
      await dispatching;
      await Promise.all([queues.idle(), retrying]);
      await storeMark().catch((error: unknown) =>
        log.warn({ error, ...fields }, 'a position could not be stored; its messages come again'),
      );
    })();
    return ending;
  };
  return {
    async [Symbol.asyncDispose]() {
      await end();
      failures.clear(stop);
    },
  };
}
