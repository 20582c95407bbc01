/**
 * Settles as the work does, or resolves if the signal aborts first. The work itself continues. Nothing stays in memory,
 * unlike with `Promise.race` and a promise that stays pending.
 */
export function untilSettled(work: PromiseLike<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const forget = () => signal.removeEventListener('abort', onAbort);
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(
      () => {
        forget();
        resolve();
      },
      (error: unknown) => {
        forget();
        reject(error);
      },
    );
    if (signal.aborted) resolve();
  });
}
