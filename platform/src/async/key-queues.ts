/** Runs the work of one key in order, and the work of different keys concurrently. */
export interface KeyQueues {
  /** Runs `work` after all earlier work of this key. It must not reject. */
  run(key: string, work: () => Promise<void>): void;
  /** Resolves when nothing runs or waits. */
  idle(): Promise<void>;
}

export function createKeyQueues(): KeyQueues {
  const tails = new Map<string, Promise<void>>();
  return {
    run(key, work) {
      const tail = (tails.get(key) ?? Promise.resolve()).then(work).finally(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      tails.set(key, tail);
    },
    async idle() {
      while (tails.size > 0) await Promise.all(tails.values());
    },
  };
}
