/** Creates a signal that aborts after `ms`, or when `other` aborts. Disposing removes the timer and the listener. */
export function createDeadline(ms: number, other: AbortSignal): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const onAbort = () => controller.abort(other.reason);
  const timer = setTimeout(() => controller.abort(timeoutError(ms)), ms);
  if (other.aborted) onAbort();
  other.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      other.removeEventListener('abort', onAbort);
    },
  };
}

/** Creates the error of a call that timed out. */
export function timeoutError(ms: number): DOMException {
  return new DOMException(`no answer within ${ms} ms`, 'TimeoutError');
}
