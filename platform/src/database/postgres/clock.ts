import type { Log } from '../../process/log.ts';
import type { OutagePool } from './client.ts';

const measureEveryMs = 60_000;
/**
 * Limit for the duration of the query that reads the database's clock. A slower query is too inaccurate, because the
 * database may have read its clock at any time during the query.
 */
const goodWithinMs = 1_000;
/**
 * Limit for how far the machine's clock and the monotonic clock may diverge. Beyond it, the machine's clock was set, or
 * the machine slept.
 */
const movedMs = 1_000;

/**
 * Creates the database's clock: this process's monotonic clock plus a measured offset. If somebody sets the machine's
 * clock, the database's clock does not change. If the machine sleeps, the monotonic clock may stop, and the offset is
 * then wrong. The offset is therefore measured again when the machine's clock and the monotonic clock diverge.
 */
export function createDatabaseClock(pool: OutagePool, log: Log) {
  let offsetMs: number | undefined;
  let machineOffsetMs = readMachineOffset();

  /** Measures the offset once. A slow measurement is dropped, unless it is the first. */
  const measure = async (): Promise<void> => {
    // The connection is acquired first, because waiting for it is not part of the round trip.
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
    /** Returns the database's time in milliseconds since the epoch. */
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

/** Returns the machine's clock minus the monotonic clock, in milliseconds. */
function readMachineOffset(): number {
  return Date.now() - performance.now();
}
