import { and, eq, sql } from 'drizzle-orm';
import type { Database } from '../database.ts';
import { topicPosition } from '../tables.ts';
import { type ConsumeOptions, deadLetterName } from '../topics.ts';
import { pause } from './attempt.ts';
import { type MessageLog, partition, rawMessage } from './embedded.ts';
import type { GroupContext } from './group-context.ts';
import { createGroupWork } from './group-work.ts';
import { type RawMessage, textLengthOf } from './handle.ts';
import { createKeyQueues } from './key-queues.ts';
import { createLowWaterMark } from './low-water-mark.ts';

/** The mark is stored at most this often, and when the group stops: a crash repeats what came since. */
const storeEveryMs = 100;
const readAtOnce = 500;

/**
 * One dispatcher of a group: reads the log by position, keeps a queue in memory a key, and stores the
 * position through which everything is finished.
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
  let toldThrough = hold(partition, readThrough);
  await onAssigned(partition, toldThrough);
  const mark = createLowWaterMark(readThrough);
  const queues = createKeyQueues();
  let wake: () => void = () => {};
  let rung = true;
  const ring = () => {
    rung = true;
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
    if (finished <= toldThrough) return;
    await onFinishedThrough(new Map([[partition, finished]]));
    toldThrough = finished;
  };
  /** Whether a position is due to be stored: a parked message is finished without a ring. */
  const isMarkDue = () => mark.through() !== storedThrough || hold(partition, mark.through()) > toldThrough;

  const work = async (raw: RawMessage) => {
    if (!(await handle(raw, () => hold(partition, mark.through(raw.position))))) return;
    mark.finish(raw.position);
    ring();
  };

  const dispatch = async () => {
    let storeAt = 0;
    while (!stop.signal.aborted) {
      try {
        rung = false;
        const room = mark.bytes < bounds.maxHeldBytes ? Math.min(bounds.maxHeld - mark.size, readAtOnce) : 0;
        const rows = room > 0 ? await messages.read(topic.name, readThrough, room) : [];
        for (const row of rows) {
          readThrough = row.id;
          const raw = rawMessage(row);
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
  const retrying = retryParked();
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
      clearFailure();
    },
  };
}
