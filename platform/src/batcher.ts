import { AsyncLocalStorage } from 'node:async_hooks';
import { codedCause, isRetryable, type PlatformErrorCode } from './errors.ts';

export interface BatcherOptions<Item, Result> {
  /** Does the work for all the items together, and answers a result for each, in their order. */
  run(items: readonly Item[]): Promise<readonly Result[]>;
  /** Items in a batch at most. Default: 100. */
  maxItems?: number;
  /** Batches under way at once. Default: 2. */
  concurrency?: number;
}

/** Items of a failed batch that are run at once, each alone. */
const singlesAtOnce = 3;

/**
 * Lets callers share what a call costs, as a database's group commit does: an item starts at once while
 * there is room; what comes while all is busy goes together as the next batch. So nobody waits for company,
 * and the busier it is, the larger the batches.
 *
 * A batch that fails is run again item by item, a few at once, so that nobody fails for another's sake. Where the
 * first few fail retryably, too, the engine is away: the others get the error without being tried. One whose commit
 * is not known is not run again here: whoever called knows how to find out.
 */
export function createBatcher<Item, Result>({
  run,
  maxItems = 100,
  concurrency = 2,
}: BatcherOptions<Item, Result>): (item: Item) => Promise<Result> {
  interface Waiting extends PromiseWithResolvers<Result> {
    item: Item;
  }
  const waiting: Waiting[] = [];
  let underWay = 0;
  // A batch is nobody's own: not in the transaction or trace of whoever happened to start it.
  const inOwnContext = AsyncLocalStorage.snapshot();

  const runBatch = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      const results = await run(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      if (batch.length === 1 || isCommitUnknown(error)) for (const { reject } of batch) reject(error);
      else await runEach(batch);
    }
  };
  const runEach = async (batch: readonly Waiting[]): Promise<void> => {
    const left = [...batch];
    let succeeded = 0;
    const away: unknown[] = [];
    const runLeft = async () => {
      for (let one = left.shift(); one; one = left.shift()) {
        if (away.length >= succeeded + singlesAtOnce) {
          one.reject(away[0]);
          continue;
        }
        try {
          const [result] = await run([one.item]);
          succeeded += 1;
          one.resolve(result as Result);
        } catch (error) {
          if (isRetryable(error)) away.push(error);
          one.reject(error);
        }
      }
    };
    await Promise.all(Array.from({ length: singlesAtOnce }, runLeft));
  };
  const startNext = (): void => {
    if (underWay >= concurrency || waiting.length === 0) return;
    underWay += 1;
    void inOwnContext(runBatch, waiting.splice(0, maxItems)).then(() => {
      underWay -= 1;
      startNext();
    });
  };

  return (item) => {
    const one: Waiting = { item, ...Promise.withResolvers<Result>() };
    waiting.push(one);
    startNext();
    return one.promise;
  };
}

function isCommitUnknown(error: unknown): boolean {
  return codedCause(error)?.code === ('COMMIT_UNKNOWN' satisfies PlatformErrorCode);
}
