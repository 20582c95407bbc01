import type { Job, PgBoss } from 'pg-boss';
import { createBatcher } from '../async/batcher.ts';
import { pause } from '../async/pause.ts';
import type { JobContext } from '../jobs.ts';
import type { Log } from '../process/log.ts';
import { createRepeatedLines } from '../process/repeated-lines.ts';

export interface WorkerOptions<Data extends object> {
  boss: Pick<PgBoss, 'fetch' | 'deleteJob' | 'fail'>;
  queueName: string;
  handler: (data: Data, context: JobContext) => Promise<void>;
  concurrency: number;
  /** Time after which a job's signal aborts. */
  timeoutMs: number;
  log: Log;
}

/**
 * Interval of polling. While fewer jobs run than `concurrency`, a due job waits no longer than this interval.
 * Notifications would cost more than polling, because nearly all jobs are due later, and most of them are cancelled
 * before they are due.
 */
const pollMs = 500;
/**
 * Pause between two fetches while more jobs are due than can run. Several jobs end during the pause, and one fetch then
 * reads a new job for each of them.
 */
const gatherMs = 20;
const maxFetched = 500;

/**
 * Runs due jobs up to a limit of concurrency. With `boss.work` the next jobs would wait for the slowest job of a batch.
 * Here the next job starts as soon as one ends. Finished jobs are deleted in batches, and failed jobs are rescheduled
 * in batches.
 */
export function startWorker<Data extends object>({
  boss,
  queueName,
  handler,
  concurrency,
  timeoutMs,
  log,
}: WorkerOptions<Data>): AsyncDisposable {
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  const lines = createRepeatedLines(log);
  // A job is deleted, or marked as failed, by its id and attempt. After a job's time-out, another worker may run the
  // next attempt. This worker must not delete or mark that attempt.
  const createJobBatcher = (call: (jobs: Job<Data>[]) => Promise<unknown>) =>
    createBatcher<Job<Data>, void>({
      run: async (jobs) => {
        await call([...jobs]);
        return [];
      },
    });
  const deleteDone = createJobBatcher((jobs) => boss.deleteJob(queueName, jobs));
  const failJob = createJobBatcher((jobs) => boss.fail(queueName, jobs));

  const run = async (job: Job<Data>): Promise<void> => {
    try {
      try {
        await handler(job.data, {
          id: job.id,
          signal: AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]),
        });
      } catch (error) {
        lines.warn('failed', { error, job: job.id, queue: queueName }, 'a job failed; it is retried');
        return void (await failJob(job));
      }
      await deleteDone(job);
    } catch (error) {
      lines.warn('end', { error, job: job.id, queue: queueName }, "a job's end could not be stored; it runs again");
    }
  };
  const fetchDue = async (): Promise<'all' | 'more'> => {
    const wanted = Math.min(concurrency - running.size, maxFetched);
    if (wanted === 0) return 'more';
    const jobs = await boss.fetch<Data>(queueName, { batchSize: wanted });
    for (const job of jobs) {
      const ending: Promise<void> = run(job).finally(() => running.delete(ending));
      running.add(ending);
    }
    return jobs.length < wanted ? 'all' : 'more';
  };
  const poll = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const fetched = await fetchDue().catch((error: unknown) => {
        lines.warn('fetch', { error, queue: queueName }, 'due jobs could not be fetched');
        return 'all';
      });
      await pause(fetched === 'all' ? pollMs : gatherMs, stop.signal);
    }
  };
  const polling = poll();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new DOMException('The worker stops', 'AbortError'));
      await polling;
      await Promise.all(running);
    },
  };
}
