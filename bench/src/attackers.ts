import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { AttackersData, AttackersTally } from './attackers-thread.ts';

export interface Attackers extends AsyncDisposable {
  tally(): Promise<AttackersTally>;
}

/** Starts the attackers in a separate thread, so that they do not delay the clients whose latency is measured. */
export async function startAttackers(data: AttackersData): Promise<Attackers> {
  const worker = new Worker(new URL('./attackers-thread.ts', import.meta.url), { workerData: data });
  await once(worker, 'online');
  return {
    async tally() {
      worker.postMessage('tally');
      const [tally] = await once(worker, 'message');
      return tally;
    },
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}
