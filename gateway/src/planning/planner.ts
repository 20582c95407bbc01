import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
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
import type { Plan } from './plan.ts';
import type { PlanOperationOptions, PlanRequest } from './plan-operation.ts';
import { type PlannerResponse, startPlannerThread } from './planner-thread.ts';

export interface PlannerOptions extends PlanOperationOptions, WaitQueueOptions {
  log: Log;
  /** CPU time limit to validate and plan one operation. Default: 1 s. */
  timeoutMs?: number;
  /** Limit of elapsed time, for a machine that is too busy to plan. Default: ten times the CPU time limit. */
  elapsedTimeoutMs?: number;
  /**
   * The thread ends after this time without operations, and starts again for the next one. Default: null, it never
   * ends.
   */
  sleepAfterMs?: number | null;
}

/** Validates and plans operations in a separate thread. */
export interface Planner extends AsyncDisposable {
  /**
   * Validates and plans an operation.
   *
   * @throws InvalidDocument GRAPHQL_VALIDATION_FAILED, UNAUTHORIZED_FIELD_OR_TYPE, FIELD_UNREACHABLE
   * @throws CodedError FIELD_UNREACHABLE; OPERATION_TOO_COMPLEX over the CPU time limit; SERVICE_UNAVAILABLE
   *   (retryable) if too many operations wait, or the machine is too busy
   */
  plan(request: PlanRequest, requester?: Requester): Promise<PlannedOperation>;
  /** Rejects while the thread starts, or if it was replaced three times within a minute. */
  ping(): Promise<void>;
}

/** A plan and its approximate memory in bytes. */
export interface PlannedOperation {
  plan: Plan;
  bytes: number;
}

/** graphql-js's limit for comparisons of fields with the same name. */
const maxComparisons = 500_000;
/**
 * If others wait, the planner pauses after an operation that took at least `shortMs`: for the same time, up to
 * `maxRestMs`.
 */
const shortMs = 10;
const maxRestMs = 250;

interface Job extends Waiting {
  request: PlanRequest;
  startedAtMs: number;
  resolve(planned: PlannedOperation): void;
  reject(error: unknown): void;
}

/**
 * Starts the planner. Requests wait while its thread starts.
 *
 * Validation and planning take more than linear time for some operations. The thread runs them one at a time, each with a
 * time limit. On time-out the thread is terminated and replaced. The main thread is never blocked. With
 * `sleepAfterMs` the thread ends while there is nothing to plan, to free its memory.
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
  /** Timer of the next check of the running job's CPU time. */
  let limitTimer: NodeJS.Timeout | undefined;
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
    clearTimeout(limitTimer);
    const job = running;
    running = null;
    return job;
  };
  const fail = (error: unknown) => {
    finish()?.reject(error);
    if (isDisposed) onIdle();
  };
  /**
   * Fails the job on time-out. Only its CPU time shows that it is too complex: a busy machine delays simple operations,
   * too.
   */
  const limitTime = async (job: Job) => {
    const startedAtMs = await thread.readCpuMs();
    for (let usedMs: number | null = 0; running === job && usedMs !== null && startedAtMs !== null; ) {
      const elapsedMs = performance.now() - job.startedAtMs;
      if (usedMs >= timeoutMs || elapsedMs >= elapsedTimeoutMs) {
        const isTooComplex = usedMs >= timeoutMs;
        if (isTooComplex) log.info({ timeoutMs }, 'an operation took too long to plan and was refused');
        else
          log.warn({ elapsedMs, usedMs }, 'the planner thread got too little CPU time; an operation was not planned');
        if (!isDisposed) thread.replace();
        return fail(isTooComplex ? tooComplex('planning', timeoutMs) : unavailable());
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      limitTimer = setTimeout(resolve, Math.max(20, Math.min(timeoutMs - usedMs, elapsedTimeoutMs - elapsedMs)));
      await promise;
      const nowMs = await thread.readCpuMs();
      usedMs = nowMs === null ? null : nowMs - startedAtMs;
    }
  };
  const onResponse = (response: PlannerResponse) => {
    const job = finish();
    // The main thread now executes this plan. A pause before the next one leaves it time for other work.
    const tookMs = performance.now() - (job?.startedAtMs ?? 0);
    if (tookMs < shortMs || queue.size === 0) next();
    else resting = setTimeout(next, Math.min(tookMs, maxRestMs));
    if (!job) return;
    try {
      job.resolve(readResponse(response, job.request));
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
      queue.add(requester, { request, bytes: 2 * request.text.length, startedAtMs: 0, resolve, reject });
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
      clearTimeout(limitTimer);
      clearTimeout(resting);
      clearTimeout(sleepTimer);
      await thread[Symbol.asyncDispose]();
    },
  };
}

function readResponse(message: PlannerResponse, { text }: PlanRequest): PlannedOperation {
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
    case 'unreachable':
      throw new CodedError<PublicErrorCode>('FIELD_UNREACHABLE', `No subgraph can be asked for ${message.field} here.`);
    case 'refused':
      throw new InvalidDocument(
        message.errors.map(({ code, message, path }) => new GraphQLError(message, { path, extensions: { code } })),
      );
    case 'failed':
      throw new Error(`the planner failed: ${message.message}`);
  }
}
