import { setTimeout as sleep } from 'node:timers/promises';
import { sqlStateOf } from './outage.ts';

/** Those who had to wait meanwhile have their turn. */
const againAfterMs = 3_000;
/** SQLSTATE: a lock that did not come in time; a deadlock. */
const locked = new Set(['55P03', '40P01']);

/** Runs a transaction again where it could not get a lock, until it has waited for too long: then it throws as it fails. */
export async function whenUnlocked<T>(
  work: () => Promise<T>,
  { withinMs, onLocked }: { withinMs: number; onLocked(error: unknown): void },
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isLocked(error) || performance.now() > deadline) throw error;
      onLocked(error);
      await sleep(againAfterMs);
    }
  }
}

function isLocked(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (locked.has(sqlStateOf(cause) ?? '')) return true;
  return false;
}
