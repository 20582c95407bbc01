import { randomUUID } from 'node:crypto';
import { pause } from '../../../async/pause.ts';
import type { DatabaseSession } from '../../../database.ts';
import type { Log } from '../../../process/log.ts';
import { createRepeatedLines } from '../../../process/repeated-lines.ts';

export interface LeasesOptions {
  openSession(): Promise<DatabaseSession>;
  /** Duration of a lease, in milliseconds. A lease that is not renewed within this time is lost. Default: 10 s. */
  durationMs?: number;
  log: Log;
}

/** Leases for work that only one process may do at a time. Processes on the same database share the leases. */
export interface Leases extends AsyncDisposable {
  /**
   * Resolves with true when this process has the lease, which is renewed from that moment on. Resolves with false when
   * the signal aborts.
   */
  untilHeld(name: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Whether this process has the lease now. Call this right before each action, because a process that was frozen may
   * have lost the lease.
   */
  isHeld(name: string): boolean;
}

/** Interval at which a process tries to take the leases that it does not have, with one query for all leases. */
const askEveryMs = 1_000;
const reconnectAfterMs = 500;

/**
 * Leases in a table, on one connection per process. The holder renews them. In two cases, another process takes over a
 * lease:
 *
 * - The holder's connection has ended, for example after `kill -9`. Other processes notice this immediately, because
 *   the holder keeps an advisory lock on that connection.
 * - The holder has not renewed the lease in time. This happens if the holder is frozen, or its host has vanished while
 *   its connection still seems alive.
 *
 * The holder measures the lease's duration from the moment before it sends its query. The database measures the
 * duration from a later moment. For the holder, the lease therefore ends before another process can take it. This is
 * also so for a frozen holder, because its clock continues to run.
 */
export function createLeases({ openSession, durationMs = 10_000, log }: LeasesOptions): Leases {
  const holder = randomUUID();
  const lines = createRepeatedLines(log);
  const stop = new AbortController();
  const wanted = new Set<string>();
  const heldUntil = new Map<string, number>();
  const waiting = new Set<() => void>();
  let askNow = () => {};
  const isHeld = (name: string) => performance.now() < (heldUntil.get(name) ?? 0);

  const ask = async (session: DatabaseSession): Promise<void> => {
    const askedAt = performance.now();
    // A lease is renewed when a third of its duration has passed.
    const due = [...wanted].filter((name) => (heldUntil.get(name) ?? 0) - askedAt < (durationMs * 2) / 3);
    if (due.length === 0) return;
    const rows = await session.query<{ name: string }>(takeLeases, [due, holder, durationMs]);
    for (const name of due) heldUntil.delete(name);
    for (const { name } of rows) heldUntil.set(name, askedAt + durationMs);
    for (const look of waiting) look();
  };

  const holding = (async () => {
    while (!stop.signal.aborted) {
      try {
        await using session = await openSession();
        await session.query(lockHolder, [holder]);
        while (!stop.signal.aborted && !session.signal.aborted) {
          await ask(session);
          const asking = new AbortController();
          askNow = () => asking.abort();
          await pause(askEveryMs, AbortSignal.any([asking.signal, session.signal, stop.signal]));
        }
        heldUntil.clear();
        if (stop.signal.aborted) await session.query('delete from platform.lease where holder = $1', [holder]);
      } catch (error) {
        heldUntil.clear();
        if (!stop.signal.aborted) lines.warn('renew', { error }, 'leases could not be renewed; this is retried');
      }
      await pause(reconnectAfterMs, stop.signal);
    }
  })();

  return {
    isHeld,
    untilHeld(name, signal) {
      wanted.add(name);
      askNow();
      return new Promise((resolve) => {
        const look = () => {
          if (!signal.aborted && !isHeld(name)) return;
          waiting.delete(look);
          signal.removeEventListener('abort', look);
          resolve(!signal.aborted);
        };
        waiting.add(look);
        signal.addEventListener('abort', look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await holding;
    },
  };
}

const lockOf = (holder: string) => `hashtextextended('lease:' || ${holder}, 0)`;
const lockHolder = `select pg_advisory_lock(${lockOf('$1::text')})`;
/** Rows are locked in order of names, so that two processes can not deadlock. */
const takeLeases = `
  insert into platform.lease as held (name, holder, expires_at)
  select name, $2::uuid, now() + $3::int * interval '1 millisecond' from unnest($1::text[]) as name order by name
  on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
  where held.holder = excluded.holder or held.expires_at < now()
    or pg_try_advisory_xact_lock(${lockOf('held.holder::text')})
  returning name`;
