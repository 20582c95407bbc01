/**
 * Returns a function whose concurrent calls share work. Calls during a run share the next run, because the current run
 * may have read older state than these calls need.
 */
export function createCoalesced<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<Result> | null = null;
  return () => {
    next ??= running.then(() => {
      next = null;
      const result = work();
      running = result.catch(() => {});
      return result;
    });
    return next;
  };
}
