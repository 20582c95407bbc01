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

/** A failed batch is run again in so many parts at once; a failed part item by item, so many at once. */
const partsAtOnce = 3;

/**
 * Lets callers share what a call costs, as a database's group commit does: an item starts at once while
 * there is room; what comes while all is busy goes together as the next batch. So nobody waits for company,
 * and the busier it is, the larger the batches.
 *
 * A batch that fails is run again in three parts, and a part that fails again item by item, so that nobody fails for
 * another's sake: a connection that was cut costs three runs more, an item at fault a third of its batch. Where all
 * parts fail retryably, or the first few items do, the engine is away: the others get the error without being tried.
 * One whose commit is not known is not run again here: whoever called knows how to find out.
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

  /** Runs items together; answers the error that this failed with, and then none of them has its result yet. */
  const tryRun = async (items: readonly Waiting[]): Promise<{ error: unknown } | null> => {
    try {
      const results = await run(items.map(({ item }) => item));
      for (const [index, { resolve }] of items.entries()) resolve(results[index] as Result);
      return null;
    } catch (error) {
      return { error };
    }
  };
  const runBatch = async (batch: readonly Waiting[]): Promise<void> => {
    const failure = await tryRun(batch);
    if (!failure) return;
    if (batch.length === 1 || isCommitUnknown(failure.error)) for (const { reject } of batch) reject(failure.error);
    else await runParts(batch);
  };
  const runParts = async (batch: readonly Waiting[]): Promise<void> => {
    const size = Math.ceil(batch.length / partsAtOnce);
    const starts = Array.from({ length: Math.ceil(batch.length / size) }, (_, index) => index * size);
    const tried = starts.map(async (start) => {
      const part = batch.slice(start, start + size);
      return { part, failure: await tryRun(part) };
    });
    const isAway = Promise.all(tried).then((all) => all.every(({ failure }) => failure && isRetryable(failure.error)));
    await Promise.all(
      tried.map(async (trying) => {
        const { part, failure } = await trying;
        if (!failure) return;
        if (part.length === 1 || isCommitUnknown(failure.error) || (await isAway))
          for (const { reject } of part) reject(failure.error);
        else await runEach(part);
      }),
    );
  };
  const runEach = async (batch: readonly Waiting[]): Promise<void> => {
    const left = [...batch];
    let succeeded = 0;
    const away: unknown[] = [];
    const runLeft = async () => {
      for (let one = left.shift(); one; one = left.shift()) {
        if (away.length >= succeeded + partsAtOnce) {
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
    await Promise.all(Array.from({ length: partsAtOnce }, runLeft));
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
