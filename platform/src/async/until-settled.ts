/**
 * Settles like `work`, or resolves when the signal aborts first; the work itself continues. Unlike `Promise.race` with
 * a promise that stays pending, it leaks no memory.
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
