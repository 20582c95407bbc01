import type { SendResult } from '../attempt-result.ts';
import type { Endpoint } from './endpoint.ts';

/** The right to make one attempt at an endpoint. */
export interface Permit {
  /** Returns it, once. `result`: of the attempt; null if none was made, or an error of ours ended it. */
  release(result: SendResult | null): void;
}

/** Limits the attempts that are in progress. A delivery without a permit waits in its queue. */
export interface Admission {
  /** Returns a permit; null while an attempt at the endpoint would exceed a limit. */
  tryAdmit(endpoint: Endpoint): Permit | null;
  /** Resolves when no attempt is in progress. */
  idle(): Promise<void>;
}

export function createAdmission({ concurrency }: { concurrency: number }): Admission {
  let running = 0;
  const idlers = new Set<() => void>();
  return {
    tryAdmit() {
      if (running >= concurrency) return null;
      running += 1;
      return {
        release() {
          running -= 1;
          if (running > 0) return;
          for (const resolve of idlers) resolve();
          idlers.clear();
        },
      };
    },
    idle: () =>
      new Promise((resolve) => {
        if (running === 0) resolve();
        else idlers.add(resolve);
      }),
  };
}
