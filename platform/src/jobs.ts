import type { Transaction } from './database.ts';

/** A kind of delayed, retried work and the shape of its data (plain JSON). */
export interface JobQueue<Data extends object> {
  readonly name: string;
  /**
   * Time after which a running job counts as lost and runs again, as where its process has died, or never got to know
   * of it: a connection was cut after the job was fetched. Default: 5 minutes.
   */
  readonly timeoutMs?: number;
  /** Phantom: ties the name to its data. */
  readonly data?: Data;
}

export interface JobContext {
  id: string;
  /** Aborts when the worker stops. */
  signal: AbortSignal;
}

/**
 * The jobs port, on pg-boss for both engines. At least once: a handler that throws, or whose process
 * dies, runs again with backoff. When a job should run again later as a matter of business, its
 * handler schedules the next one in the transaction that stores this one's outcome.
 */
export interface Jobs extends AsyncDisposable {
  /** Makes the queue if need be. Called once at start, before anything is scheduled on it. */
  declare(queue: JobQueue<object>): Promise<void>;
  /** Adds a job within the transaction, due after `delayMs` (0: at once). Answers its id (UUID). */
  schedule<Data extends object>(
    tx: Transaction,
    queue: JobQueue<Data>,
    data: Data,
    options?: { delayMs?: number; id?: string },
  ): Promise<string>;
  /** Adds several jobs within the transaction, in one round trip. None is nothing. */
  scheduleAll<Data extends object>(
    tx: Transaction,
    queue: JobQueue<Data>,
    jobs: readonly { data: Data; delayMs?: number; id?: string }[],
  ): Promise<void>;
  /** Deletes jobs that have not ended; no error for one that has, or never was. One that runs is not interrupted. */
  cancel(tx: Transaction, queue: JobQueue<object>, ids: readonly string[]): Promise<void>;
  /**
   * Works on a queue until disposed; disposing awaits what runs. A job that is done is deleted.
   * @param options.concurrency jobs that run at once, at most; one that takes long holds up no other. Default: 16
   */
  work<Data extends object>(
    queue: JobQueue<Data>,
    handler: (data: Data, context: JobContext) => Promise<void>,
    options?: { concurrency?: number },
  ): Promise<AsyncDisposable>;
}
