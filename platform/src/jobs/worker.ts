import type { Job, PgBoss } from 'pg-boss';
import { createBatcher } from '../batcher.ts';
import type { JobContext } from '../jobs.ts';
import type { Log } from '../log.ts';
import { createRepeatedLines } from '../repeated-lines.ts';
import { pause } from '../topics/attempt.ts';

export interface WorkerOptions<Data extends object> {
  boss: Pick<PgBoss, 'fetch' | 'deleteJob' | 'fail'>;
  queueName: string;
  handler: (data: Data, context: JobContext) => Promise<void>;
  /** Jobs that run at once, at most. */
  concurrency: number;
  /** After this time a job's signal aborts. */
  timeoutMs: number;
  log: Log;
}

/**
 * Jobs start at most this late: they are polled for. A notification each would wake every worker for nothing: nearly
 * all jobs are due later, and most are cancelled before.
 */
const pollMs = 500;
/** While more are due than could be fetched, slots are gathered this long, so that a fetch fills several. */
const gatherMs = 20;
/** Jobs per fetch, at most. */
const maxFetched = 500;

/**
 * Runs due jobs, as many at once as there are slots. Unlike `boss.work`, a job that takes long holds its own slot and
 * not those of a batch. What is done is deleted, and what failed is scheduled again, each for many in one statement.
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
  // By id and attempt: one that was taken for lost meanwhile belongs to whoever runs it now.
  const together = (call: (jobs: Job<Data>[]) => Promise<unknown>) =>
    createBatcher<Job<Data>, void>({
      run: async (jobs) => {
        await call([...jobs]);
        return [];
      },
    });
  const deleteDone = together((jobs) => boss.deleteJob(queueName, jobs));
  const failTogether = together((jobs) => boss.fail(queueName, jobs));

  const run = async (job: Job<Data>): Promise<void> => {
    try {
      try {
        await handler(job.data, {
          id: job.id,
          signal: AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]),
        });
      } catch (error) {
        lines.warn('failed', { error, job: job.id, queue: queueName }, 'a job failed and runs again');
        return void (await failTogether(job));
      }
      await deleteDone(job);
    } catch (error) {
      lines.warn('end', { error, job: job.id, queue: queueName }, "a job's end could not be stored: it runs again");
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
