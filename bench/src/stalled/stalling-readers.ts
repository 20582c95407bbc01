import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { ReadersData, ReadersQuestion } from './stalling-readers-thread.ts';

const lateAfterMs = 10_000;

/** Subscribers that can stop reading. */
export interface StallingReaders extends AsyncDisposable {
  /**
   * Waits until `of` messages have arrived, but at most 10 s. Resolves with the number of messages that have not
   * arrived.
   */
  missing(of: number): Promise<number>;
  /** Stops reading, without disconnecting. */
  stall(): Promise<void>;
}

/** Opens subscribers in a separate thread, so that they do not delay the clients whose latency is measured. */
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
