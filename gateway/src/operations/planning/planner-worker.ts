import { enableCompileCache } from 'node:module';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { PlanOperationOptions, PlanRequest, PlanResult } from './plan-operation.ts';

/** What the worker sends: once that it is ready, then an answer to each request. */
export type WorkerMessage = { kind: 'ready' } | PlanResult | { kind: 'failed'; message: string };

// The entry of the thread that validates and plans: one request at a time, each answered once.
const port = parentPort;
if (!port) throw new Error('runs as a worker thread only');
const send = (message: WorkerMessage) => port.postMessage(message);
// Most of a start is the compilation of the planner's modules: Node keeps what came of it for the next one.
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
// On Linux this is the priority of the calling thread alone: who shares a core with it is served first. Not before it is
// ready: on a busy machine everybody would wait for its start.
if (process.platform === 'linux') setPriority(10);
send({ kind: 'ready' });
