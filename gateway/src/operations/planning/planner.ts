import { Worker } from 'node:worker_threads';
import type { QueryPlan } from '@apollo/query-planner';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError, Source } from 'graphql';
import { maxNesting, tooComplex } from '../limits.ts';
import { InvalidDocument } from '../operation-error.ts';
import { type Requester, unavailable, type Waiting, WaitingLine, type WaitingLineOptions } from '../waiting-line.ts';
import type { PlanOperationOptions, PlanRequest, PlanResult } from './plan-operation.ts';
import type { WorkerMessage } from './planner-worker.ts';

export interface PlannerOptions extends PlanOperationOptions, WaitingLineOptions {
  log: Log;
  /** CPU time that validating and planning one operation may take. Default: 1 s; ten times that on the wall clock. */
  timeoutMs?: number;
}

/** Validates and plans operations, in a thread of its own. */
export interface Planner extends AsyncDisposable {
  /**
   * The plan of an operation.
   *
   * @throws InvalidDocument GRAPHQL_VALIDATION_FAILED
   * @throws CodedError OPERATION_TOO_COMPLEX when it took too long; SERVICE_UNAVAILABLE (retryable) when too many wait
   */
  plan(request: PlanRequest, requester?: Requester): Promise<PlannedOperation>;
  /** Rejects while its thread starts, or is replaced again and again: three times within a minute. */
  ping(): Promise<void>;
}

/** A plan, and about how many bytes it takes in memory. */
export interface PlannedOperation {
  plan: QueryPlan;
  bytes: number;
}

/** An operation whose plan takes more memory ends the thread, and not the process. */
const maxHeapMb = 1_024;
/** Of graphql-js: comparisons of fields of the same name. */
const maxComparisons = 500_000;
/** So many threads that ended within so long are no longer a single operation's fault. */
const maxReplaced = 3;
const replacedWithinMs = 60_000;
/** While others wait, the planner rests after an operation of `shortMs` or more: as long as that took, up to `maxRestMs`. */
const shortMs = 10;
const maxRestMs = 250;
/** Time that the thread has to load the supergraph. */
const startTimeoutMs = 60_000;

interface Job extends Waiting {
  request: PlanRequest;
  resolve(planned: PlannedOperation): void;
  reject(error: unknown): void;
}

/**
 * Starts the planner. What is asked while its thread starts waits for it.
 *
 * Validation and planning take more than linear time for some operations. They run here, one operation at a time and
 * each within a time limit: past it the thread is ended and another one is started. The process's own thread never
 * waits for either.
 */
export function createPlanner({
  log,
  timeoutMs = 1_000,
  waitTimeoutMs,
  maxWaiting,
  maxWaitingBytes,
  ...options
}: PlannerOptions): Planner {
  const line = new WaitingLine<Job>({ waitTimeoutMs, maxWaiting, maxWaitingBytes });
  /** Null while it starts. */
  let worker: Worker | null = null;
  let starting: Worker | null = null;
  let running: Job | null = null;
  let jobStartedAtMs = 0;
  /** Waits before the next operation. */
  let resting: NodeJS.Timeout | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isDisposed = false;
  let onIdle = () => {};
  /** When the latest threads ended unasked, oldest first. */
  const replacedAtMs: number[] = [];

  /** Starts the thread, and again, with backoff, when it ends before it is ready. */
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
      // The system has no thread to give.
      log.error({ error, attempt }, 'the planner thread can not be started; it is tried again');
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

  /** Ends the thread, and the running job with an error, and starts another one. */
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
    const job = line.shift();
    if (!job) return onIdle();
    running = job;
    jobStartedAtMs = performance.now();
    void limitTime(worker, job);
    worker.postMessage(job.request);
  };
  /** Refuses the job when it has taken too long. A busy machine must not make a simple operation too complex. */
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
    // What follows a plan is work of the process's own thread: after a long one that gets as much time for others.
    const tookMs = performance.now() - jobStartedAtMs;
    if (tookMs < shortMs || line.size === 0) next();
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
      line.add(requester, { request, bytes: 2 * request.text.length, resolve, reject });
      if (!resting) next();
      return promise;
    },
    async ping() {
      if (!worker) throw new Error('the planner thread starts');
      if (isRestless()) throw new Error('the planner thread is replaced again and again');
    },
    async [Symbol.asyncDispose]() {
      isDisposed = true;
      // Another supergraph may be served from now on: who has asked already is answered by this one.
      if (running) await new Promise<void>((resolve) => (onIdle = resolve));
      for (let job = line.shift(); job; job = line.shift()) job.reject(unavailable());
      clearTimeout(timer);
      clearTimeout(resting);
      const threads = [worker, starting];
      worker = null;
      await Promise.all(threads.map((thread) => thread?.terminate()));
    },
  };
}

/** CPU time of a thread so far; null once it has ended, which ends its job as well. */
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
