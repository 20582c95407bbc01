/**
 * Notifies the readers of a topic about new messages. All readers are also notified periodically, in case a
 * notification was missed.
 */
export interface Notifier extends Disposable {
  notify(topic: string): void;
  listen(topic: string, onNotify: () => void): Disposable;
}

export function createNotifier(everyMs: number): Notifier {
  const listeners = new Map<string, Set<() => void>>();
  const timer = setInterval(() => {
    for (const topic of listeners.keys()) notify(topic);
  }, everyMs);
  timer.unref();
  const notify = (topic: string) => {
    for (const listener of listeners.get(topic) ?? []) listener();
  };
  return {
    notify,
    listen(topic, onNotify) {
      const set = listeners.get(topic) ?? new Set();
      listeners.set(topic, set.add(onNotify));
      return { [Symbol.dispose]: () => void set.delete(onNotify) };
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      listeners.clear();
    },
  };
}
