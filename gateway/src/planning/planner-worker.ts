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
// Most of the start-up time is the compilation of the planner's modules: caches it on disk for the next start.
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
// On Linux this lowers the priority of this thread only. It runs after the start, which must not be delayed on a busy
// machine.
if (process.platform === 'linux') setPriority(10);
send({ kind: 'ready' });
