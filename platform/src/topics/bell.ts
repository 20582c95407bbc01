/** Wakes readers by topic: at a ring, and now and then, for the rings that were missed. */
export interface Bell extends Disposable {
  ring(topic: string): void;
  listen(topic: string, onRing: () => void): Disposable;
}

export function createBell(everyMs: number): Bell {
  const listeners = new Map<string, Set<() => void>>();
  const timer = setInterval(() => {
    for (const topic of listeners.keys()) ring(topic);
  }, everyMs);
  timer.unref();
  const ring = (topic: string) => {
    for (const listener of listeners.get(topic) ?? []) listener();
  };
  return {
    ring,
    listen(topic, onRing) {
      const set = listeners.get(topic) ?? new Set();
      listeners.set(topic, set.add(onRing));
      return { [Symbol.dispose]: () => void set.delete(onRing) };
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      listeners.clear();
    },
  };
}
