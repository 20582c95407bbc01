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
// On Linux this lowers the priority of this thread only. The supergraph is loaded before at normal priority, so that a
// busy machine does not delay it.
if (process.platform === 'linux') setPriority(10);
send({ kind: 'ready' });
