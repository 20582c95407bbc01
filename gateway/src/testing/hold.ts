import type { Topics } from '@voucher-gateway/platform/topics';

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

/** Makes `caughtUp` wait for each topic consumer that is opened from now on, as if the broker did not answer. */
export function holdCaughtUp(topics: Topics): Hold {
  const hold = createHold();
  const { tail: open } = topics;
  topics.tail = async (options) => {
    const tail = await open(options);
    const caughtUp = async () => {
      await hold.wait();
      return tail.caughtUp();
    };
    return { ...tail, caughtUp };
  };
  return hold;
}
