import type { Log } from '../log.ts';
import type { OutagePool } from './postgres-client.ts';

const measureEveryMs = 60_000;
/** What took longer says too little: the answer was read somewhere in between. */
const goodWithinMs = 1_000;

/** The database's clock, by its distance from this machine's. */
export function createDatabaseClock(pool: OutagePool, log: Log) {
  let offsetMs: number | undefined;

  /** Measures once; a sample that took too long is dropped, unless there is none yet. */
  const measure = async (): Promise<void> => {
    // Taken first: waiting for a connection is no part of the way.
    const client = await pool.connect();
    let failure: Error | undefined;
    try {
      const before = Date.now();
      const { rows } = await client.query<{ now: string }>(
        'select extract(epoch from clock_timestamp()) * 1000 as now',
      );
      const after = Date.now();
      if (offsetMs === undefined || after - before <= goodWithinMs)
        offsetMs = Number(rows[0]?.now) - (before + after) / 2;
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.release(failure);
    }
  };

  return {
    measure,
    /** In milliseconds since the epoch. */
    now: () => Math.round(Date.now() + (offsetMs ?? 0)),
    /** Measures every minute until disposed. */
    keepMeasuring(): Disposable {
      const timer = setInterval(() => {
        measure().catch((error: unknown) => log.warn({ error }, 'the database’s clock could not be read'));
      }, measureEveryMs);
      timer.unref();
      return { [Symbol.dispose]: () => clearInterval(timer) };
    },
  };
}
