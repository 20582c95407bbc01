/**
 * Makes a function whose calls share the work: those that come while it runs share the next run, for what one knows
 * when it calls may be newer than what the running one saw.
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
