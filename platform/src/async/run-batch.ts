import { codedCause, isRetryable, type PlatformErrorCode } from '../errors.ts';

/** An item of a batch, with the promise that its caller awaits. */
export interface BatchItem<Item, Result> extends PromiseWithResolvers<Result> {
  item: Item;
  /** Aborts when the caller no longer waits for the result. */
  signal: AbortSignal | undefined;
}

type Run<Item, Result> = (items: readonly Item[]) => Promise<readonly Result[]>;

/**
 * Number of parts into which a failed batch is split. The parts run concurrently. If a part fails, the same number of
 * its items run concurrently.
 */
const partsAtOnce = 3;

/**
 * Runs a batch, and settles each of its items. It never rejects.
 *
 * - A failed batch is run again in three parts. A failed part is run item by item, so that only the item at fault
 *   fails.
 * - If all parts fail with retryable errors, the database or broker is down. The items are then rejected, and not run
 *   item by item.
 * - When a part is run item by item and has three more retryable failures than successes, the database or broker is
 *   probably down. The remaining items are then rejected with the first of these failures.
 * - Items that fail with COMMIT_UNKNOWN are not run again: only the caller can find out whether the commit happened.
 * - Items whose signal has aborted are not run again.
 */
export async function runBatch<Item, Result>(
  run: Run<Item, Result>,
  batch: readonly BatchItem<Item, Result>[],
): Promise<void> {
  const failure = await tryRun(run, batch);
  if (!failure) return;
  if (batch.length === 1 || isCommitUnknown(failure.error)) rejectAll(batch, failure.error);
  else
    await runParts(
      run,
      batch.filter((one) => !rejectIfLeft(one)),
    );
}

/** Runs items in one call and settles them. On failure it returns the error, and leaves the items unsettled. */
async function tryRun<Item, Result>(
  run: Run<Item, Result>,
  batch: readonly BatchItem<Item, Result>[],
): Promise<{ error: unknown } | null> {
  try {
    const results = await run(batch.map(({ item }) => item));
    for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    return null;
  } catch (error) {
    return { error };
  }
}

async function runParts<Item, Result>(
  run: Run<Item, Result>,
  batch: readonly BatchItem<Item, Result>[],
): Promise<void> {
  const size = Math.ceil(batch.length / partsAtOnce);
  const starts = Array.from({ length: Math.ceil(batch.length / size) }, (_, index) => index * size);
  const tried = starts.map(async (start) => {
    const part = batch.slice(start, start + size);
    return { part, failure: await tryRun(run, part) };
  });
  const hasEngineFailed = Promise.all(tried).then((all) =>
    all.every(({ failure }) => failure && isRetryable(failure.error)),
  );
  await Promise.all(
    tried.map(async (trying) => {
      const { part, failure } = await trying;
      if (!failure) return;
      if (part.length === 1 || isCommitUnknown(failure.error) || (await hasEngineFailed))
        rejectAll(part, failure.error);
      else await runEach(run, part);
    }),
  );
}

async function runEach<Item, Result>(run: Run<Item, Result>, part: readonly BatchItem<Item, Result>[]): Promise<void> {
  const remaining = [...part];
  let succeeded = 0;
  const retryableErrors: unknown[] = [];
  const runRemaining = async () => {
    for (let one = remaining.shift(); one; one = remaining.shift()) {
      if (rejectIfLeft(one)) continue;
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
  await Promise.all(Array.from({ length: partsAtOnce }, runRemaining));
}

/** Rejects the item and returns true if its signal has aborted. */
function rejectIfLeft<Item, Result>({ signal, reject }: BatchItem<Item, Result>): boolean {
  if (signal?.aborted) reject(signal.reason);
  return signal?.aborted ?? false;
}

function rejectAll<Item, Result>(batch: readonly BatchItem<Item, Result>[], error: unknown): void {
  for (const { reject } of batch) reject(error);
}

function isCommitUnknown(error: unknown): boolean {
  return codedCause(error)?.code === ('COMMIT_UNKNOWN' satisfies PlatformErrorCode);
}
