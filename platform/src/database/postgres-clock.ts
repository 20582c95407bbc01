import type { Log } from '../log.ts';
import type { OutagePool } from './postgres-client.ts';

const measureEveryMs = 60_000;
/** What took longer says too little: the answer was read somewhere in between. */
const goodWithinMs = 1_000;
/** A machine's clock that moved so far from the process's was set, or the machine slept. */
const movedMs = 1_000;

/**
 * The database's clock, by its distance from this process's monotonic clock: setting the machine's clock changes
 * nothing. The monotonic clock stops while the machine sleeps, so the distance is measured again where the two differ.
 */
export function createDatabaseClock(pool: OutagePool, log: Log) {
  let offsetMs: number | undefined;
  let machineOffsetMs = readMachineOffset();

  /** Measures once; a sample that took too long is dropped, unless there is none yet. */
  const measure = async (): Promise<void> => {
    // Taken first: waiting for a connection is no part of the way.
    const client = await pool.connect();
    let failure: Error | undefined;
    try {
      const before = performance.now();
      const { rows } = await client.query<{ now: string }>(
        'select extract(epoch from clock_timestamp()) * 1000 as now',
      );
      const after = performance.now();
      if (offsetMs === undefined || after - before <= goodWithinMs)
        offsetMs = Number(rows[0]?.now) - (before + after) / 2;
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.release(failure);
    }
  };

  const tryToMeasure = () => {
    measure().catch((error: unknown) => log.warn({ error }, 'the database’s clock could not be read'));
  };

  return {
    measure,
    /** In milliseconds since the epoch. */
    now() {
      const seenMs = readMachineOffset();
      if (Math.abs(seenMs - machineOffsetMs) > movedMs) {
        machineOffsetMs = seenMs;
        tryToMeasure();
      }
      return Math.round(performance.now() + (offsetMs ?? 0));
    },
    /** Measures every minute until disposed. */
    keepMeasuring(): Disposable {
      const timer = setInterval(tryToMeasure, measureEveryMs).unref();
      return { [Symbol.dispose]: () => clearInterval(timer) };
    },
  };
}

/** How far the machine's clock is from the process's own. */
function readMachineOffset(): number {
  return Date.now() - performance.now();
}
