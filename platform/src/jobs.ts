import type { Transaction } from './database.ts';

/** A queue of delayed jobs, which are retried on failure. `Data` is the type of a job's data (plain JSON). */
export interface JobQueue<Data extends object> {
  readonly name: string;
  /** A job that has not ended after this time runs again, because its process may have crashed. Default: 5 minutes. */
  readonly timeoutMs?: number;
  /** Never set. The property exists only for its type, which is the type of the queue's data. */
  readonly data?: Data;
}

export interface JobContext {
  id: string;
  /** Aborts when the worker stops. */
  signal: AbortSignal;
}

/**
 * The jobs port, which uses pg-boss on PostgreSQL and on PGlite. A job runs at least once: when a handler throws or its
 * process crashes, the job is retried with backoff.
 *
 * To run a job again later without a failure, the handler schedules another job. The handler does this in the
 * transaction that stores the outcome of the current job.
 */
export interface Jobs extends AsyncDisposable {
  /** Creates the queue if needed. Called once at start, before any job is scheduled. */
  declare(queue: JobQueue<object>): Promise<void>;
  /** Adds a job within the transaction, due after `delayMs` (0: immediately). Returns its id (UUID). */
  schedule<Data extends object>(
    tx: Transaction,
    queue: JobQueue<Data>,
    data: Data,
    options?: { delayMs?: number; id?: string },
  ): Promise<string>;
  /** Adds several jobs within the transaction, in one round trip. An empty list is a no-op. */
  scheduleAll<Data extends object>(
    tx: Transaction,
    queue: JobQueue<Data>,
    jobs: readonly { data: Data; delayMs?: number; id?: string }[],
  ): Promise<void>;
  /** Deletes jobs that have not ended. Ids of ended or unknown jobs are ignored. A running job is not interrupted. */
  cancel(tx: Transaction, queue: JobQueue<object>, ids: readonly string[]): Promise<void>;
  /**
   * Works on a queue until disposed; disposing awaits running jobs. A finished job is deleted.
   *
   * @param options.concurrency limit of jobs that run concurrently. The next job starts as soon as one ends. Default: 16
   */
  work<Data extends object>(
    queue: JobQueue<Data>,
    handler: (data: Data, context: JobContext) => Promise<void>,
    options?: { concurrency?: number },
  ): Promise<AsyncDisposable>;
}
