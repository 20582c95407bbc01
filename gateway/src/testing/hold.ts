/** A point at which a call waits until the test releases it. */
export interface Hold {
  /** Waits at this point. */
  wait(): Promise<void>;
  /** Resolves once a call waits. */
  readonly reached: Promise<void>;
  /** Lets current and later calls continue. */
  release(): void;
}

export function createHold(): Hold {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    release: released.resolve,
    wait() {
      reached.resolve();
      return released.promise;
    },
  };
}
