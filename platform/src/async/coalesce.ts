/**
 * Returns a function whose concurrent calls share runs of `work`. A call during a run does not join that run, which may
 * already have read older state. All calls during a run share the next run.
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
