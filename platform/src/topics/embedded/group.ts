import { and, eq, sql } from 'drizzle-orm';
import { createKeyQueues } from '../../async/key-queues.ts';
import { pause } from '../../async/pause.ts';
import { topicPosition } from '../../database/tables.ts';
import type { Database } from '../../database.ts';
import { type ConsumeOptions, deadLetterName } from '../../topics.ts';
import type { GroupContext } from '../group-context.ts';
import { createGroupWork } from '../group-work.ts';
import { createLowWaterMark } from '../low-water-mark.ts';
import { type RawMessage, textLengthOf } from '../message.ts';
import { type MessageLog, partition, toRawMessage } from './message-log.ts';

/**
 * How often the low-water mark is stored at most; it is also stored at stop. After a crash the messages since are
 * redelivered.
 */
const storeEveryMs = 100;
const readAtOnce = 500;

/**
 * One dispatcher per group: it reads the log by position, keeps a queue in memory per key, and stores the low-water
 * mark.
 */
export async function startGroup<Value>({
  onAssigned = async () => {},
  onFinishedThrough = async () => {},
  messages,
  ...options
}: ConsumeOptions<Value> & GroupContext & { database: Database; messages: MessageLog }): Promise<AsyncDisposable> {
  const { topic, group, database, log } = options;
  const fields = { topic: topic.name, group };
  const stop = new AbortController();
  const [stored] = await database.query
    .select()
    .from(topicPosition)
    .where(and(eq(topicPosition.topic, topic.name), eq(topicPosition.group, group)));
  let readThrough = stored?.position ?? 0;
  const { handle, hold, refreshParked, retryParked, clearFailure, ...bounds } = createGroupWork({
    ...options,
    stop,
    bury: (message) => database.transaction((tx) => messages.append(tx, deadLetterName(topic.name), [message])),
    onStopped: () => void end(),
  });
  await refreshParked();
  let storedThrough = readThrough;
  let reportedThrough = hold(partition, readThrough);
  await onAssigned(partition, reportedThrough);
  const mark = createLowWaterMark(readThrough);
  const queues = createKeyQueues();
  let wake: () => void = () => {};
  let isNotified = true;
  const notify = () => {
    isNotified = true;
    wake();
  };

  const storeMark = async () => {
    const position = mark.through();
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
    const finished = hold(partition, position);
    if (finished <= reportedThrough) return;
    await onFinishedThrough(new Map([[partition, finished]]));
    reportedThrough = finished;
  };
  /** Whether a position must be stored: finishing a parked message does not notify the dispatcher. */
  const isMarkDue = () => mark.through() !== storedThrough || hold(partition, mark.through()) > reportedThrough;

  const work = async (raw: RawMessage) => {
    if (!(await handle(raw, () => hold(partition, mark.through(raw.position))))) return;
    mark.finish(raw.position);
    notify();
  };

  const dispatch = async () => {
    let storeAt = 0;
    while (!stop.signal.aborted) {
      try {
        isNotified = false;
        const room = mark.bytes < bounds.maxHeldBytes ? Math.min(bounds.maxHeld - mark.size, readAtOnce) : 0;
        const rows = room > 0 ? await messages.read(topic.name, readThrough, room) : [];
        for (const row of rows) {
          readThrough = row.id;
          const raw = toRawMessage(row);
          mark.take(raw.position, textLengthOf(raw));
          queues.run(row.key, () => work(raw));
        }
        if (performance.now() >= storeAt) {
          await storeMark();
          storeAt = performance.now() + storeEveryMs;
        }
        if (rows.length > 0 && rows.length === room) continue;
      } catch (error) {
        if (stop.signal.aborted) break;
        log.warn({ error, ...fields }, 'a group could not read; it retries');
        await pause(500, stop.signal);
        continue;
      }
      if (!isNotified && !stop.signal.aborted) {
        // A mark that is not stored yet needs a timer: there may be no further notification.
        const due = isMarkDue() ? setTimeout(notify, storeEveryMs) : undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        clearTimeout(due);
      }
    }
  };

  const listening = messages.listen(topic.name, notify);
  stop.signal.addEventListener('abort', () => wake());
  const dispatching = dispatch();
  const retrying = retryParked();
  let ending: Promise<void> | undefined;
  const end = () => {
    ending ??= (async () => {
      listening[Symbol.dispose]();
      stop.abort();
      await dispatching;
      await Promise.all([queues.idle(), retrying]);
      await storeMark().catch((error: unknown) =>
        log.warn({ error, ...fields }, 'a position could not be stored; its messages are redelivered'),
      );
    })();
    return ending;
  };
  return {
    async [Symbol.asyncDispose]() {
      await end();
      clearFailure();
    },
  };
}
