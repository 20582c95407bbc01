import { Worker } from 'node:worker_threads';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PlanOperationOptions, PlanRequest } from './plan-operation.ts';
import type { WorkerMessage } from './planner-worker.ts';

/** The response to a request. */
export type PlannerResponse = Exclude<WorkerMessage, { kind: 'ready' }>;

export interface PlannerThreadOptions {
  workerData: PlanOperationOptions;
  log: Log;
  /** Called when the thread accepts requests: after its start, and after each replacement. */
  onReady(): void;
  onResponse(response: PlannerResponse): void;
  /** Called when the thread has crashed, for example out of memory. A new thread starts. */
  onLost(): void;
}

/** The thread that validates and plans, one request at a time. If it crashes, a new thread replaces it. */
export interface PlannerThread extends AsyncDisposable {
  readonly isReady: boolean;
  /**
   * Whether the thread was replaced several times within a minute. A single operation causes only one replacement, so
   * there is another cause.
   */
  readonly isRestless: boolean;
  send(request: PlanRequest): void;
  /**
   * CPU time of the current thread in milliseconds; null if no thread is ready, or if the thread ends during the call.
   */
  readCpuMs(): Promise<number | null>;
  /** Terminates the thread, and starts another. */
  replace(): void;
  /** Ends the thread until `wake`. */
  sleep(): void;
  wake(): void;
  readonly isAsleep: boolean;
}

/** Heap limit of the thread. If an operation exceeds the limit, only the thread ends, and not the process. */
const maxHeapMb = 1_024;
/** Number of replacements within `replacedWithinMs` after which the thread `isRestless`. */
const maxReplaced = 3;
const replacedWithinMs = 60_000;
/** Time-out for the thread to load the supergraph. */
const startTimeoutMs = 60_000;

/**
 * `starting`: a thread loads the supergraph, or the next start is delayed. `ready`: the thread accepts requests.
 * `asleep`: there is no thread, because there is nothing to plan.
 */
type State =
  | { name: 'starting'; worker: Worker | null; timer: NodeJS.Timeout | undefined }
  | { name: 'ready'; worker: Worker }
  | { name: 'asleep' | 'disposed'; worker: null };

/** Starts the thread. If the thread ends while it starts, the start is retried with backoff. */
export function startPlannerThread(options: PlannerThreadOptions): PlannerThread {
  const { workerData, log, onReady, onResponse, onLost } = options;
  let state: State = { name: 'starting', worker: null, timer: undefined };
  /** Times of the latest replacements, oldest first. */
  const replacedAtMs: number[] = [];

  const noteReplaced = () => {
    replacedAtMs.push(performance.now());
    if (replacedAtMs.length > maxReplaced) replacedAtMs.shift();
  };
  const start = (attempt: number) => {
    try {
      const worker = new Worker(new URL('./planner-worker.ts', import.meta.url), {
        name: 'planner',
        workerData,
        resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
      });
      state = { name: 'starting', worker, timer: setTimeout(() => void worker.terminate(), startTimeoutMs) };
      worker.on('error', (error) => log.error({ error }, 'the planner thread failed'));
      worker.on('message', (message: WorkerMessage) => onMessage(worker, message));
      worker.on('exit', () => onExit(worker, attempt));
    } catch (error) {
      // Starting a thread fails if the system has no threads left.
      log.error({ error, attempt }, 'the planner thread can not be started; retrying');
      startLater(attempt + 1);
    }
  };
  const startLater = (attempt: number) => {
    const timer = setTimeout(() => start(attempt), Math.min(100 * 2 ** (attempt - 1), 5_000)).unref();
    state = { name: 'starting', worker: null, timer };
  };
  const onMessage = (worker: Worker, message: WorkerMessage) => {
    if (state.worker !== worker) return;
    if (message.kind !== 'ready') return onResponse(message);
    if (state.name === 'starting') clearTimeout(state.timer);
    state = { name: 'ready', worker };
    worker.unref();
    onReady();
  };
  /** Called when a thread ends. Threads that were already replaced are ignored. */
  const onExit = (worker: Worker, attempt: number) => {
    if (state.worker !== worker) return;
    noteReplaced();
    if (state.name === 'starting') {
      clearTimeout(state.timer);
      startLater(attempt + 1);
    } else {
      start(0);
      onLost();
    }
  };

  start(0);

  return {
    get isReady() {
      return state.name === 'ready';
    },
    get isRestless() {
      return replacedAtMs.length === maxReplaced && performance.now() - (replacedAtMs[0] ?? 0) < replacedWithinMs;
    },
    send(request) {
      if (state.name === 'ready') state.worker.postMessage(request);
    },
    readCpuMs: async () => (state.name === 'ready' ? readCpuMs(state.worker) : null),
    replace() {
      if (state.name !== 'ready') return;
      const { worker } = state;
      noteReplaced();
      start(0);
      void worker.terminate();
    },
    sleep() {
      if (state.name !== 'ready') return;
      const { worker } = state;
      state = { name: 'asleep', worker: null };
      void worker.terminate();
    },
    wake() {
      if (state.name === 'asleep') start(0);
    },
    get isAsleep() {
      return state.name === 'asleep';
    },
    async [Symbol.asyncDispose]() {
      if (state.name === 'disposed') return;
      const { worker } = state;
      if (state.name === 'starting') clearTimeout(state.timer);
      state = { name: 'disposed', worker: null };
      await worker?.terminate();
    },
  };
}

async function readCpuMs(thread: Worker): Promise<number | null> {
  try {
    const { user, system } = await thread.cpuUsage();
    return (user + system) / 1_000;
  } catch {
    return null;
  }
}
