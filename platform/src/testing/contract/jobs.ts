import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import type { Database } from '../../database.ts';
import type { JobQueue, Jobs } from '../../jobs.ts';

export interface JobsUnderTest extends AsyncDisposable {
  database: Database;
  jobs: Jobs;
}

interface Task {
  number: number;
}

/** Tests for the jobs port on every database. */
export function jobsContract(open: () => Promise<JobsUnderTest>): void {
  const setUp = async () => {
    const under = await open();
    const queue: JobQueue<Task> = { name: `tasks-${randomUUID()}` };
    await under.jobs.declare(queue);
    const ran: number[] = [];
    const waiting = new Set<{ count: number; resolve: (numbers: number[]) => void }>();
    return {
      ...under,
      queue,
      schedule: (number: number, options?: { delayMs?: number; id?: string }) =>
        under.database.transaction((tx) => under.jobs.schedule(tx, queue, { number }, options)),
      work: (onRun: (number: number) => void = () => {}) =>
        under.jobs.work(queue, async ({ number }) => {
          onRun(number);
          ran.push(number);
          for (const waiter of waiting) if (ran.length >= waiter.count) waiter.resolve([...ran]);
        }),
      ran: (count: number) =>
        new Promise<number[]>((resolve) => {
          if (ran.length >= count) return resolve([...ran]);
          waiting.add({ count, resolve });
        }),
      [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
    };
  };

  it('runs a job once its transaction has committed, and not if it rolls back', async () => {
    await using ctx = await setUp();
    const { database, jobs, queue, schedule, work, ran } = ctx;
    await work();
    const failing = database.transaction(async (tx) => {
      await jobs.schedule(tx, queue, { number: 1 });
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow();
    await schedule(2);
    expect(await ran(1)).toEqual([2]);
  });

  it('runs a delayed job when it is due, after jobs that were due earlier', async () => {
    await using ctx = await setUp();
    const { schedule, work, ran } = ctx;
    await work();
    await schedule(1, { delayMs: 1_500 });
    await schedule(2);
    expect(await ran(2)).toEqual([2, 1]);
  });

  it('retries a failed job with backoff', async () => {
    await using ctx = await setUp();
    const { schedule, work, ran } = ctx;
    let failures = 1;
    await work(() => {
      if (failures-- > 0) throw new Error('not now');
    });
    await schedule(1);
    expect(await ran(1)).toEqual([1]);
    expect(failures).toBe(-1);
  });

  it('does not run a cancelled job, and ignores the cancellation of an ended one', async () => {
    await using ctx = await setUp();
    const { database, jobs, queue, schedule, work, ran } = ctx;
    const id = await schedule(1, { delayMs: 500 });
    await database.transaction((tx) => jobs.cancel(tx, queue, [id]));
    await database.transaction((tx) => jobs.cancel(tx, queue, [id]));
    await database.transaction((tx) => jobs.cancel(tx, queue, [randomUUID()]));
    await work();
    await schedule(2, { delayMs: 1_500 });
    expect(await ran(1)).toEqual([2]);
  });

  it('awaits running jobs when a worker stops, and keeps the rest for the next one', async () => {
    await using ctx = await setUp();
    const { jobs, queue, schedule, work, ran } = ctx;
    const started = Promise.withResolvers<void>();
    const log: string[] = [];
    const worker = await jobs.work(
      queue,
      async (_task, { signal }) => {
        started.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        log.push('ended');
      },
      { concurrency: 1 },
    );
    await schedule(1);
    await started.promise;
    await schedule(2, { delayMs: 500 });
    await worker[Symbol.asyncDispose]();
    log.push('stopped');
    expect(log).toEqual(['ended', 'stopped']);
    await work();
    expect(await ran(1)).toEqual([2]);
  });

  it('runs jobs up to its concurrency, and none waits for a slow one', async () => {
    await using ctx = await setUp();
    const { database, jobs, queue } = ctx;
    const slow = Promise.withResolvers<void>();
    const allRan = Promise.withResolvers<void>();
    let running = 0;
    let atOnce = 0;
    let ran = 0;
    await using _worker = await jobs.work(
      queue,
      async ({ number }) => {
        running += 1;
        atOnce = Math.max(atOnce, running);
        if (number === 0) await slow.promise;
        await new Promise(setImmediate);
        running -= 1;
        ran += 1;
        if (ran === 299) allRan.resolve();
      },
      { concurrency: 50 },
    );
    await database.transaction((tx) =>
      jobs.scheduleAll(
        tx,
        queue,
        Array.from({ length: 300 }, (_, number) => ({ data: { number } })),
      ),
    );
    await allRan.promise;
    slow.resolve();
    expect(atOnce).toBeGreaterThan(4);
    expect(atOnce).toBeLessThanOrEqual(50);
  });

  it('deletes finished jobs, and one that was cancelled while it ran', async () => {
    await using ctx = await setUp();
    const { database, jobs, queue, schedule } = ctx;
    const started = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    const worker = await jobs.work(queue, async ({ number }) => {
      if (number !== 2) return;
      started.resolve();
      await cancelled.promise;
      throw new Error('too late');
    });
    await schedule(1);
    const id = await schedule(2);
    await started.promise;
    await database.transaction((tx) => jobs.cancel(tx, queue, [id]));
    cancelled.resolve();
    await worker[Symbol.asyncDispose]();
    const { rows } = await database.query.execute(sql`select * from pgboss.job where name = ${queue.name}`);
    expect(rows).toEqual([]);
  });
}
