import { AsyncLocalStorage } from 'node:async_hooks';
import { codedCause, isRetryable, type PlatformErrorCode } from '../errors.ts';

export interface BatcherOptions<Item, Result> {
  /** Does the work for all items in one call, and returns a result for each, in their order. */
  run(items: readonly Item[]): Promise<readonly Result[]>;
  /** Limit of items per batch. Default: 100. */
  maxItems?: number;
  /** Limit of concurrent batches. Default: 2. */
  concurrency?: number;
  /** Another batch starts after this time, in milliseconds, if one takes longer. Default: 200. */
  slowAfterMs?: number;
}

/** A failed batch is run again in this many concurrent parts; in a failed part this many items run concurrently. */
const partsAtOnce = 3;

/**
 * Lets callers share the cost of a call, like a database's group commit. Items of one turn of the event loop start
 * together. While a batch is running they wait for its end, so that batches grow with load; a slow one, whose row is locked
 * for example, is not waited for. An item whose signal aborts while it waits is removed: under overload it would delay the
 * items of callers that still wait.
 *
 * - A failed batch is run again in three parts, and a failed part item by item, so that only the item at fault fails.
 * - If all parts fail with retryable errors, the engine is down: their items are rejected without single runs.
 * - When items run singly and retryable failures exceed successes by three, the remaining items get the first error.
 * - Items whose commit is unknown are not run again here: only the caller can find out whether it happened.
 * - Items whose signal has aborted meanwhile are not run again, either.
 */
export function createBatcher<Item, Result>({
  run,
  maxItems = 100,
  concurrency = 2,
  slowAfterMs = 200,
}: BatcherOptions<Item, Result>): (item: Item, options?: { signal?: AbortSignal | undefined }) => Promise<Result> {
  interface Waiting extends PromiseWithResolvers<Result> {
    item: Item;
    signal: AbortSignal | undefined;
    /** Called when its batch starts. */
    start(): void;
  }
  const waiting = new Set<Waiting>();
  let running = 0;
  /** How many of the running batches are slow. */
  let slow = 0;
  // A batch must not run in the transaction or trace of the caller that happened to start it.
  const inOwnContext = AsyncLocalStorage.snapshot();

  /** Runs items in one call; on failure it returns the error, and none of them is settled. */
  const tryRun = async (items: readonly Waiting[]): Promise<{ error: unknown } | null> => {
    try {
      const results = await run(items.map(({ item }) => item));
      for (const [index, { resolve }] of items.entries()) resolve(results[index] as Result);
      return null;
    } catch (error) {
      return { error };
    }
  };
  /** Rejects an item whose caller has left; true if it has. */
  const dropLeft = ({ signal, reject }: Waiting): boolean => {
    if (signal?.aborted) reject(signal.reason);
    return signal?.aborted ?? false;
  };
  const runBatch = async (batch: readonly Waiting[]): Promise<void> => {
    const failure = await tryRun(batch);
    if (!failure) return;
    if (batch.length === 1 || isCommitUnknown(failure.error)) for (const { reject } of batch) reject(failure.error);
    else await runParts(batch.filter((one) => !dropLeft(one)));
  };
  const runParts = async (batch: readonly Waiting[]): Promise<void> => {
    const size = Math.ceil(batch.length / partsAtOnce);
    const starts = Array.from({ length: Math.ceil(batch.length / size) }, (_, index) => index * size);
    const tried = starts.map(async (start) => {
      const part = batch.slice(start, start + size);
      return { part, failure: await tryRun(part) };
    });
    const hasEngineFailed = Promise.all(tried).then((all) =>
      all.every(({ failure }) => failure && isRetryable(failure.error)),
    );
    await Promise.all(
      tried.map(async (trying) => {
        const { part, failure } = await trying;
        if (!failure) return;
        if (part.length === 1 || isCommitUnknown(failure.error) || (await hasEngineFailed))
          for (const { reject } of part) reject(failure.error);
        else await runEach(part);
      }),
    );
  };
  const runEach = async (batch: readonly Waiting[]): Promise<void> => {
    const remaining = [...batch];
    let succeeded = 0;
    const retryableErrors: unknown[] = [];
    const runLeft = async () => {
      for (let one = remaining.shift(); one; one = remaining.shift()) {
        if (dropLeft(one)) continue;
        if (retryableErrors.length >= succeeded + partsAtOnce) {
          one.reject(retryableErrors[0]);
          continue;
        }
        try {
          const [result] = await run([one.item]);
          succeeded += 1;
          one.resolve(result as Result);
        } catch (error) {
          if (isRetryable(error)) retryableErrors.push(error);
          one.reject(error);
        }
      }
    };
    await Promise.all(Array.from({ length: partsAtOnce }, runLeft));
  };
  const startNext = (): void => {
    running += 1;
    let isSlow = false;
    const timer = setTimeout(() => {
      isSlow = true;
      slow += 1;
      startSoon();
    }, slowAfterMs);
    const batch = [...waiting].slice(0, maxItems);
    for (const one of batch) {
      waiting.delete(one);
      one.start();
    }
    void inOwnContext(runBatch, batch).then(() => {
      clearTimeout(timer);
      running -= 1;
      if (isSlow) slow -= 1;
      startSoon();
    });
  };
  let isStarting = false;
  /** Starts batches after this turn of the event loop: what arrives together, such as the messages of a fetch, is one. */
  const startSoon = (): void => {
    if (isStarting) return;
    isStarting = true;
    setImmediate(() => {
      isStarting = false;
      if (running === slow && running < concurrency && waiting.size > 0) startNext();
    });
  };

  return (item, { signal } = {}) => {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const leave = () => {
      waiting.delete(one);
      one.reject(signal?.reason);
    };
    const start = () => signal?.removeEventListener('abort', leave);
    const one: Waiting = { item, signal, start, ...Promise.withResolvers<Result>() };
    signal?.addEventListener('abort', leave, { once: true });
    waiting.add(one);
    startSoon();
    return one.promise;
  };
}

function isCommitUnknown(error: unknown): boolean {
  return codedCause(error)?.code === ('COMMIT_UNKNOWN' satisfies PlatformErrorCode);
}
