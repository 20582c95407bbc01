import { and, eq, sql } from 'drizzle-orm';
import { createKeyQueues } from '../../async/key-queues.ts';
import { pause } from '../../async/pause.ts';
import { topicPosition } from '../../database/tables.ts';
import type { Database } from '../../database.ts';
import { type ConsumeOptions, deadLetterName } from '../../topics.ts';
import type { GroupContext } from '../group-context.ts';
import { createGroupWork, type GroupWork } from '../group-work.ts';
import { createLowWaterMark, type LowWaterMark } from '../low-water-mark.ts';
import { type RawMessage, textLengthOf } from '../message.ts';
import { type MessageLog, partition, toRawMessage } from './message-log.ts';

/**
 * Minimum interval between writes of the low-water mark: the position up to which all messages are finished. It is also
 * written at stop. After a crash, all messages after the stored mark are redelivered.
 */
const storeEveryMs = 100;
const readAtOnce = 500;

export interface EmbeddedGroupOptions<Value> extends ConsumeOptions<Value>, GroupContext {
  database: Database;
  messages: MessageLog;
}

/** Starts a group's dispatcher at its stored position. */
export async function startGroup<Value>(options: EmbeddedGroupOptions<Value>): Promise<AsyncDisposable> {
  const { topic, group, database } = options;
  const [stored] = await database.query
    .select()
    .from(topicPosition)
    .where(and(eq(topicPosition.topic, topic.name), eq(topicPosition.group, group)));
  const dispatcher = new GroupDispatcher(options, stored?.position ?? 0);
  await dispatcher.start();
  return { [Symbol.asyncDispose]: () => dispatcher[Symbol.asyncDispose]() };
}

/**
 * The dispatcher of one group. It reads the log by position, keeps a queue in memory for each key, and stores the
 * low-water mark.
 */
class GroupDispatcher<Value> implements AsyncDisposable {
  readonly #options: EmbeddedGroupOptions<Value>;
  readonly #stop = new AbortController();
  readonly #work: GroupWork;
  readonly #queues = createKeyQueues();
  readonly #mark: LowWaterMark;
  #readThrough: number;
  #storedThrough: number;
  /** The position that `onFinishedThrough` received last. */
  #reportedThrough: number;
  /** True if there may be new messages, or a position to store. */
  #isNotified = true;
  #wake: () => void = () => {};
  #running: Promise<unknown> = Promise.resolve();
  #ending: Promise<void> | undefined;

  constructor(options: EmbeddedGroupOptions<Value>, position: number) {
    const { topic, database, messages } = options;
    this.#options = options;
    this.#readThrough = position;
    this.#storedThrough = position;
    this.#reportedThrough = position;
    this.#mark = createLowWaterMark(position);
    this.#work = createGroupWork({
      ...options,
      stop: this.#stop,
      bury: (message) => database.transaction((tx) => messages.append(tx, deadLetterName(topic.name), [message])),
      onStopped: () => void this.#end(),
    });
    this.#stop.signal.addEventListener('abort', () => this.#wake());
  }

  async start(): Promise<void> {
    const { onAssigned, messages, topic } = this.#options;
    await this.#work.refreshParked();
    this.#reportedThrough = this.#work.hold(partition, this.#storedThrough);
    await onAssigned?.(partition, this.#reportedThrough);
    const listening = messages.listen(topic.name, () => this.#notify());
    this.#stop.signal.addEventListener('abort', () => listening[Symbol.dispose]());
    this.#running = Promise.all([this.#dispatch(), this.#work.retryParked()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    this.#work.clearFailure();
  }

  async #dispatch(): Promise<void> {
    const { topic, group, log } = this.#options;
    let storeAtMs = 0;
    while (!this.#stop.signal.aborted) {
      try {
        this.#isNotified = false;
        const hasMore = await this.#readSome();
        if (performance.now() >= storeAtMs) {
          await this.#storeMark();
          storeAtMs = performance.now() + storeEveryMs;
        }
        if (hasMore) continue;
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        log.warn({ error, topic: topic.name, group }, 'a group could not read; it retries');
        await pause(500, this.#stop.signal);
        continue;
      }
      if (!this.#isNotified && !this.#stop.signal.aborted) await this.#untilNotified();
    }
  }

  /** Reads as many messages as there is room for. Returns whether there may be more. */
  async #readSome(): Promise<boolean> {
    const { maxHeld, maxHeldBytes } = this.#work;
    const room = this.#mark.bytes < maxHeldBytes ? Math.min(maxHeld - this.#mark.size, readAtOnce) : 0;
    if (room <= 0) return false;
    const rows = await this.#options.messages.read(this.#options.topic.name, this.#readThrough, room);
    for (const row of rows) {
      this.#readThrough = row.id;
      const raw = toRawMessage(row);
      this.#mark.take(raw.position, textLengthOf(raw));
      this.#queues.run(row.key, () => this.#handle(raw));
    }
    return rows.length === room;
  }

  async #handle(raw: RawMessage): Promise<void> {
    const finishedThrough = () => this.#work.hold(partition, this.#mark.through(raw.position));
    if (!(await this.#work.handle(raw, finishedThrough))) return;
    this.#mark.finish(raw.position);
    this.#notify();
  }

  #notify(): void {
    this.#isNotified = true;
    this.#wake();
  }

  async #untilNotified(): Promise<void> {
    // While a position must still be stored or reported, a timer wakes the dispatcher. The next notification may come
    // much later.
    const due = this.#isMarkDue() ? setTimeout(() => this.#notify(), storeEveryMs) : undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    clearTimeout(due);
  }

  /**
   * Whether a position must be stored or reported. Finishing a parked message changes a position, but does not notify
   * the dispatcher.
   */
  #isMarkDue(): boolean {
    const position = this.#mark.through();
    return position !== this.#storedThrough || this.#work.hold(partition, position) > this.#reportedThrough;
  }

  /** Stores the low-water mark, and reports it to `onFinishedThrough`. */
  async #storeMark(): Promise<void> {
    const { topic, group, database, onFinishedThrough } = this.#options;
    const position = this.#mark.through();
    if (position !== this.#storedThrough) {
      await database.query
        .insert(topicPosition)
        .values({ topic: topic.name, group, position })
        .onConflictDoUpdate({
          target: [topicPosition.topic, topicPosition.group],
          set: { position: sql`greatest(${topicPosition.position}, excluded.position)` },
        });
      this.#storedThrough = position;
    }
    const finished = this.#work.hold(partition, position);
    if (finished <= this.#reportedThrough) return;
    await onFinishedThrough?.(new Map([[partition, finished]]));
    this.#reportedThrough = finished;
  }

  /** Stops the intake, waits for running messages, and stores the mark. Idempotent. */
  #end(): Promise<void> {
    this.#ending ??= (async () => {
      this.#stop.abort();
      await this.#running;
      await this.#queues.idle();
      const { topic, group, log } = this.#options;
      await this.#storeMark().catch((error: unknown) =>
        log.warn({ error, topic: topic.name, group }, 'a position could not be stored; its messages are redelivered'),
      );
    })();
    return this.#ending;
  }
}
