import type { Log } from '@voucher-gateway/platform/process/log';
import { tooComplex } from '../request/limits.ts';
import {
  type Requester,
  unavailable,
  type Waiting,
  WaitQueue,
  type WaitQueueOptions,
} from '../scheduling/wait-queue.ts';
import type { PlanOperationOptions, PlanRequest } from './plan-operation.ts';
import { type PlannedOperation, readPlannerResponse } from './planner-response.ts';
import { type PlannerResponse, startPlannerThread } from './planner-thread.ts';
import { untilTimeIsUsed } from './time-limit.ts';

export interface PlannerOptions extends PlanOperationOptions, WaitQueueOptions {
  log: Log;
  /** CPU time limit to validate and plan one operation. Default: 1 s. */
  timeoutMs?: number;
  /**
   * Limit of elapsed time. It is reached only if the machine is too busy to plan. Default: ten times the CPU time
   * limit.
   */
  elapsedTimeoutMs?: number;
  /**
   * If no operation arrives for this time, the thread ends. The next operation starts the thread again. Default: null,
   * the thread never ends.
   */
  sleepAfterMs?: number | null;
}

/** Validates and plans operations in a separate thread. */
export interface Planner extends AsyncDisposable {
  /**
   * Validates and plans an operation.
   *
   * @throws InvalidDocument with GRAPHQL_VALIDATION_FAILED; with FIELD_UNREACHABLE if no field can be fetched; with
   *   UNAUTHORIZED_FIELD_OR_TYPE if `rejectUnauthorized` is set and the client may not see a field
   * @throws CodedError FIELD_UNREACHABLE if Apollo's planner fails for a field
   * @throws CodedError OPERATION_TOO_COMPLEX if the CPU time limit is exceeded, the operation is nested too deeply, or
   *   its validation takes too long
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) if too many operations wait, or the machine is too busy
   */
  plan(request: PlanRequest, requester?: Requester): Promise<PlannedOperation>;
  /** Checks the planner. Rejects while the thread starts, or if the thread was replaced three times within a minute. */
  ping(): Promise<void>;
}

/**
 * If other operations wait, the planner pauses after each operation that took at least `shortMs`. The pause is
 * `restsPerTook` times as long as the operation took, but at most `maxRestMs`. Example: after an operation of 100 ms it
 * pauses for 200 ms, so that planning takes a third of a core.
 */
const shortMs = 10;
const restsPerTook = 2;
const maxRestMs = 500;

interface Job extends Waiting {
  request: PlanRequest;
  startedAtMs: number;
  /** Aborts when the job ends, so that its time is no longer measured. */
  ended: AbortController;
  resolve(planned: PlannedOperation): void;
  reject(error: unknown): void;
}

/**
 * Starts the planner. Requests wait while its thread starts.
 *
 * Validation and planning take more than linear time for some operations. So a thread validates and plans one operation
 * at a time, with a time limit. On time-out the thread is terminated and replaced. The main thread is never blocked.
 * With `sleepAfterMs` the thread ends while there is nothing to plan, to free its memory.
 */
export function createPlanner({
  log,
  timeoutMs = 1_000,
  elapsedTimeoutMs = 10 * timeoutMs,
  sleepAfterMs = null,
  waitTimeoutMs,
  maxWaiting,
  maxWaitingBytes,
  ...workerData
}: PlannerOptions): Planner {
  const queue = new WaitQueue<Job>({ waitTimeoutMs, maxWaiting, maxWaitingBytes });
  let running: Job | null = null;
  /** Timer of the pause before the next job. */
  let resting: NodeJS.Timeout | undefined;
  let sleepTimer: NodeJS.Timeout | undefined;
  let isDisposed = false;
  let onIdle = () => {};

  const next = () => {
    clearTimeout(resting);
    resting = undefined;
    if (running || !thread.isReady) return;
    clearTimeout(sleepTimer);
    const job = queue.shift();
    if (!job) {
      if (sleepAfterMs !== null) sleepTimer = setTimeout(thread.sleep, sleepAfterMs).unref();
      return onIdle();
    }
    running = job;
    job.startedAtMs = performance.now();
    limitTime(job).catch((error: unknown) => log.error({ error }, 'the time of an operation could not be limited'));
    thread.send(job.request);
  };
  /** Ends the running job. */
  const finish = (): Job | null => {
    const job = running;
    running = null;
    job?.ended.abort();
    return job;
  };
  const fail = (error: unknown) => {
    finish()?.reject(error);
    if (isDisposed) onIdle();
  };
  /**
   * Fails the job on time-out. Only the CPU time shows that an operation is too complex, because a busy machine also
   * delays simple operations.
   */
  const limitTime = async ({ startedAtMs, ended }: Job) => {
    const { readCpuMs } = thread;
    const used = await untilTimeIsUsed({ readCpuMs, startedAtMs, timeoutMs, elapsedTimeoutMs, signal: ended.signal });
    if (!used) return;
    const isTooComplex = used.cpuMs >= timeoutMs;
    if (isTooComplex) log.info({ timeoutMs }, 'an operation took too long to plan and was refused');
    else
      log.warn(
        { elapsedMs: used.elapsedMs, usedMs: used.cpuMs },
        'the planner thread got too little CPU time; an operation was not planned',
      );
    if (!isDisposed) thread.replace();
    fail(isTooComplex ? tooComplex('planning', timeoutMs) : unavailable());
  };
  const onResponse = (response: PlannerResponse) => {
    const job = finish();
    // The main thread now executes the plan of this response. The pause of the planner leaves CPU time for other work,
    // even on a machine with one core.
    const tookMs = performance.now() - (job?.startedAtMs ?? 0);
    if (tookMs < shortMs || queue.size === 0) next();
    else resting = setTimeout(next, Math.min(restsPerTook * tookMs, maxRestMs));
    if (!job) return;
    try {
      job.resolve(readPlannerResponse(response, job.request));
    } catch (error) {
      job.reject(error);
    }
  };
  const onLost = () => fail(unavailable());
  const thread = startPlannerThread({ workerData, log, onReady: next, onResponse, onLost });

  return {
    plan(request, requester = { name: '' }) {
      if (isDisposed) return Promise.reject(unavailable());
      const { promise, resolve, reject } = Promise.withResolvers<PlannedOperation>();
      const bytes = 2 * request.text.length;
      queue.add(requester, { request, bytes, startedAtMs: 0, ended: new AbortController(), resolve, reject });
      thread.wake();
      if (!resting) next();
      return promise;
    },
    async ping() {
      if (!thread.isReady && !thread.isAsleep) throw new Error('the planner thread starts');
      if (thread.isRestless) throw new Error('the planner thread is replaced too often');
    },
    async [Symbol.asyncDispose]() {
      isDisposed = true;
      // After a reload the requests that are already queued are still planned by this planner.
      if (running || (resting && thread.isReady)) await new Promise<void>((resolve) => (onIdle = resolve));
      for (let job = queue.shift(); job; job = queue.shift()) job.reject(unavailable());
      clearTimeout(resting);
      clearTimeout(sleepTimer);
      await thread[Symbol.asyncDispose]();
    },
  };
}
