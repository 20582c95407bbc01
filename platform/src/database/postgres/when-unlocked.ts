import { setTimeout as sleep } from 'node:timers/promises';
import { causesOf } from '../../errors.ts';
import { sqlStateOf } from '../outage.ts';

/** Pause before a retry. During the pause, transactions that waited behind our lock request can run. */
const againAfterMs = 3_000;
/** SQLSTATE codes of a lock time-out and of a deadlock. */
const locked = new Set(['55P03', '40P01']);

/** Retries a transaction that could not get a lock; after the time limit it throws the last error. */
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
  return causesOf(error).some((cause) => locked.has(sqlStateOf(cause) ?? ''));
}
