import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { ReadersData, ReadersQuestion } from './stalling-readers-thread.ts';

const lateAfterMs = 10_000;

/** Subscribers that read, until they are told not to. */
export interface StallingReaders extends AsyncDisposable {
  /** How many of so many messages they have not got, 10 s from now at the latest. */
  missing(of: number): Promise<number>;
  /** From now on they read nothing more, though they stay connected. */
  stall(): Promise<void>;
}

/** Opens them in a thread of their own: what they read must not hold up those whose latency is measured. */
export async function openStallingReaders(data: ReadersData): Promise<StallingReaders> {
  const worker = new Worker(new URL('./stalling-readers-thread.ts', import.meta.url), { workerData: data });
  await once(worker, 'message');
  const ask = async (question: ReadersQuestion): Promise<number> => {
    worker.postMessage(question);
    const [answer] = await once(worker, 'message');
    return answer;
  };
  return {
    async missing(of) {
      const deadline = performance.now() + lateAfterMs;
      for (;;) {
        const missing = of - (await ask('received'));
        if (missing === 0 || performance.now() > deadline) return missing;
        await sleep(50);
      }
    },
    stall: async () => void (await ask('stall')),
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}
