import { AsyncLocalStorage } from 'node:async_hooks';
import { type BatchItem, runBatch } from './run-batch.ts';

export interface BatcherOptions<Item, Result> {
  /** Does the work for all items in one call, and returns a result for each, in their order. */
  run(items: readonly Item[]): Promise<readonly Result[]>;
  /** Limit of items per batch. Default: 100. */
  maxItems?: number;
  /** Limit of concurrent batches. Default: 2. */
  concurrency?: number;
  /** Time in milliseconds after which a batch is slow, so that another batch may start beside it. Default: 200. */
  slowAfterMs?: number;
}

/**
 * Combines the work of many callers into batches, like a database's group commit. Items that arrive in one turn of the
 * event loop form a batch. While a batch runs, new items wait, so that batches grow with load. After `slowAfterMs` the
 * batch counts as slow, and another batch may start beside it. A batch that needs a locked row is slow, for example. A
 * waiting item whose signal aborts is removed, because under overload, items that nobody awaits would delay all others.
 * `runBatch` describes what happens to a failed batch.
 */
export function createBatcher<Item, Result>({
  run,
  maxItems = 100,
  concurrency = 2,
  slowAfterMs = 200,
}: BatcherOptions<Item, Result>): (item: Item, options?: { signal?: AbortSignal | undefined }) => Promise<Result> {
  interface Waiting extends BatchItem<Item, Result> {
    /** Called when the item's batch starts. */
    start(): void;
  }
  const waiting = new Set<Waiting>();
  let running = 0;
  /** Number of running batches that have run for longer than `slowAfterMs`. */
  let slow = 0;
  // A batch must not run in the async context (transaction, trace) of the caller that happened to start it.
  const inOwnContext = AsyncLocalStorage.snapshot();

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
    void inOwnContext(() => runBatch(run, batch)).then(() => {
      clearTimeout(timer);
      running -= 1;
      if (isSlow) slow -= 1;
      startSoon();
    });
  };
  let isStarting = false;
  /**
   * Starts batches after this turn of the event loop, so that items that arrive together, such as the messages of a
   * fetch, form one batch.
   */
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
