import { Worker } from 'node:worker_threads';
import type { QueryPlan } from '@apollo/query-planner';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError, Source } from 'graphql';
import { InvalidDocument } from '../request/invalid-document.ts';
import { maxNesting, tooComplex } from '../request/limits.ts';
import {
  type Requester,
  unavailable,
  type Waiting,
  WaitQueue,
  type WaitQueueOptions,
} from '../scheduling/wait-queue.ts';
import type { PlanOperationOptions, PlanRequest, PlanResult } from './plan-operation.ts';
import type { WorkerMessage } from './planner-worker.ts';

export interface PlannerOptions extends PlanOperationOptions, WaitQueueOptions {
  log: Log;
  /** CPU time limit to validate and plan one operation. Default: 1 s. The limit of wall-clock time is ten times that. */
  timeoutMs?: number;
}

/** Validates and plans operations in a separate thread. */
export interface Planner extends AsyncDisposable {
  /**
   * Validates and plans an operation.
   *
   * @throws InvalidDocument GRAPHQL_VALIDATION_FAILED
   * @throws CodedError OPERATION_TOO_COMPLEX on time-out; SERVICE_UNAVAILABLE (retryable) if too many wait
   */
  plan(request: PlanRequest, requester?: Requester): Promise<PlannedOperation>;
  /** Rejects while the thread starts, or if it was replaced three times within a minute. */
  ping(): Promise<void>;
}

/** A plan and its approximate memory in bytes. */
export interface PlannedOperation {
  plan: QueryPlan;
  bytes: number;
}

/** Heap limit of the thread: an operation that exceeds it ends the thread, not the process. */
const maxHeapMb = 1_024;
/** graphql-js's limit for comparisons of fields with the same name. */
const maxComparisons = 500_000;
/** If this many threads end within this time, a single operation is not the cause. */
const maxReplaced = 3;
const replacedWithinMs = 60_000;
/** After an operation of at least `shortMs` the planner pauses for as long as it took, up to `maxRestMs`, if others wait. */
const shortMs = 10;
const maxRestMs = 250;
/** Time-out for the thread to load the supergraph. */
const startTimeoutMs = 60_000;

interface Job extends Waiting {
  request: PlanRequest;
  resolve(planned: PlannedOperation): void;
  reject(error: unknown): void;
}

/**
 * Starts the planner. Requests wait while its thread starts.
 *
 * Validation and planning take more than linear time for some operations. The thread runs them one at a time, each with a
 * time limit. On time-out the thread is terminated and replaced. The main thread is never blocked.
 */
export function createPlanner({
  log,
  timeoutMs = 1_000,
  waitTimeoutMs,
  maxWaiting,
  maxWaitingBytes,
  ...options
}: PlannerOptions): Planner {
  const queue = new WaitQueue<Job>({ waitTimeoutMs, maxWaiting, maxWaitingBytes });
  /** The thread; null while it starts. */
  let worker: Worker | null = null;
  let starting: Worker | null = null;
  let running: Job | null = null;
  let jobStartedAtMs = 0;
  /** Timer of the pause before the next operation. */
  let resting: NodeJS.Timeout | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isDisposed = false;
  let onIdle = () => {};
  /** When the latest threads ended unexpectedly, oldest first. */
  const replacedAtMs: number[] = [];

  /** Starts the thread. Retries with backoff if it ends before it is ready. */
  const start = (attempt: number) => {
    const startAgain = () => {
      clearTimeout(timer);
      if (!isDisposed) timer = setTimeout(() => start(attempt + 1), Math.min(100 * 2 ** attempt, 5_000)).unref();
    };
    try {
      const started = new Worker(new URL('./planner-worker.ts', import.meta.url), {
        name: 'planner',
        workerData: options,
        resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
      });
      starting = started;
      timer = setTimeout(() => void started.terminate(), startTimeoutMs);
      started.on('error', (error) => log.error({ error }, 'the planner thread failed'));
      started.on('exit', () => {
        if (!isDisposed && (worker === started || starting === started)) noteReplaced();
        if (worker === started) replace(unavailable);
        else if (starting === started) startAgain();
      });
      started.on('message', (message: WorkerMessage) => {
        if (message.kind !== 'ready') return answer(message);
        clearTimeout(timer);
        starting = null;
        worker = started;
        started.unref();
        next();
      });
    } catch (error) {
      // The system may be out of threads.
      log.error({ error, attempt }, 'the planner thread can not be started; retrying');
      starting = null;
      startAgain();
    }
  };

  const noteReplaced = () => {
    replacedAtMs.push(performance.now());
    if (replacedAtMs.length > maxReplaced) replacedAtMs.shift();
  };
  const isRestless = () =>
    replacedAtMs.length === maxReplaced && performance.now() - (replacedAtMs[0] ?? 0) < replacedWithinMs;

  /** Terminates the thread, rejects the running job, and starts another thread. */
  const replace = (error: () => unknown) => {
    const ended = worker;
    worker = null;
    finish()?.reject(error());
    void ended?.terminate();
    if (isDisposed) onIdle();
    else start(0);
  };
  const finish = (): Job | null => {
    clearTimeout(timer);
    const job = running;
    running = null;
    return job;
  };
  const next = () => {
    clearTimeout(resting);
    resting = undefined;
    if (running || !worker) return;
    const job = queue.shift();
    if (!job) return onIdle();
    running = job;
    jobStartedAtMs = performance.now();
    void limitTime(worker, job);
    worker.postMessage(job.request);
  };
  /** Refuses the job on time-out. It measures CPU time, so that a simple operation is not refused on a busy machine. */
  const limitTime = async (thread: Worker, job: Job) => {
    const endAtMs = performance.now() + 10 * timeoutMs;
    const startedAtMs = await readCpuMs(thread);
    for (let usedMs: number | null = 0; running === job && usedMs !== null && startedAtMs !== null; ) {
      if (usedMs >= timeoutMs || performance.now() >= endAtMs) {
        noteReplaced();
        log.info({ timeoutMs }, 'an operation took too long to plan and was refused');
        return replace(() => tooComplex('planning', timeoutMs));
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      timer = setTimeout(resolve, Math.max(20, timeoutMs - usedMs));
      await promise;
      const nowMs = await readCpuMs(thread);
      usedMs = nowMs === null ? null : nowMs - startedAtMs;
    }
  };
  const answer = (message: Exclude<WorkerMessage, { kind: 'ready' }>) => {
    const job = finish();
    // The main thread then has to execute the plan: the pause leaves it time for other work.
    const tookMs = performance.now() - jobStartedAtMs;
    if (tookMs < shortMs || queue.size === 0) next();
    else resting = setTimeout(next, Math.min(tookMs, maxRestMs));
    if (!job) return;
    try {
      job.resolve(readAnswer(message, job.request));
    } catch (error) {
      job.reject(error);
    }
  };

  start(0);

  return {
    plan(request, requester = { name: '' }) {
      if (isDisposed) return Promise.reject(unavailable());
      const { promise, resolve, reject } = Promise.withResolvers<PlannedOperation>();
      queue.add(requester, { request, bytes: 2 * request.text.length, resolve, reject });
      if (!resting) next();
      return promise;
    },
    async ping() {
      if (!worker) throw new Error('the planner thread starts');
      if (isRestless()) throw new Error('the planner thread is replaced again and again');
    },
    async [Symbol.asyncDispose]() {
      isDisposed = true;
      // After a reload the requests that are already queued are still planned by this planner.
      if (running) await new Promise<void>((resolve) => (onIdle = resolve));
      for (let job = queue.shift(); job; job = queue.shift()) job.reject(unavailable());
      clearTimeout(timer);
      clearTimeout(resting);
      const threads = [worker, starting];
      worker = null;
      await Promise.all(threads.map((thread) => thread?.terminate()));
    },
  };
}

/** CPU time of a thread so far; null if it has ended, which ends its job as well. */
async function readCpuMs(thread: Worker): Promise<number | null> {
  try {
    const { user, system } = await thread.cpuUsage();
    return (user + system) / 1_000;
  } catch {
    return null;
  }
}

function readAnswer(
  message: PlanResult | { kind: 'failed'; message: string },
  { text }: PlanRequest,
): PlannedOperation {
  switch (message.kind) {
    case 'plan':
      return message;
    case 'invalid': {
      const source = new Source(text);
      throw new InvalidDocument(
        message.faults.map(
          ({ message, positions }) =>
            new GraphQLError(message, {
              source,
              positions,
              extensions: { code: 'GRAPHQL_VALIDATION_FAILED' satisfies PublicErrorCode },
            }),
        ),
      );
    }
    case 'too-deep':
      throw tooComplex('nesting', maxNesting);
    case 'too-complex':
      throw tooComplex('validation', maxComparisons);
    case 'failed':
      throw new Error(`the planner failed: ${message.message}`);
  }
}
