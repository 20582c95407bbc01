/**
 * Returns a function that runs `work`, one run at a time. A call during a run waits for the next run, because the
 * current run may have read older state. All calls during one run share the next run.
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
