import { enableCompileCache } from 'node:module';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { PlanOperationOptions, PlanRequest, PlanResult } from './plan-operation.ts';

/** The worker's messages: `ready` once, then a response per request. */
export type WorkerMessage = { kind: 'ready' } | PlanResult | { kind: 'failed'; message: string };

// Entry of the thread that validates and plans. It handles one request at a time.
const port = parentPort;
if (!port) throw new Error('runs as a worker thread only');
const send = (message: WorkerMessage) => port.postMessage(message);
// Compiling the planner's modules takes most of the start-up time: cache the result on disk for the next start.
enableCompileCache();
const { createPlanOperation } = await import('./plan-operation.ts');
const planOperation = createPlanOperation(workerData as PlanOperationOptions);
port.on('message', (request: PlanRequest) => {
  try {
    send(planOperation(request));
  } catch (error) {
    send({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
});
// On Linux, `setPriority` lowers the priority of this thread only. It is called after the supergraph was loaded,
// because loading at low priority would be slow on a busy machine.
if (process.platform === 'linux') setPriority(10);
send({ kind: 'ready' });
