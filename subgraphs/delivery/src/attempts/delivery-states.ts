import type { SendResult } from '../attempt-result.ts';
import type { Delivery } from '../tables.ts';
import { nextDelayMs, type RetryInput } from './retry-schedule.ts';

/** The result of an attempt, to be stored. */
export interface FinishedAttempt {
  deliveryId: string;
  turn: number;
  /** When the attempt started, in milliseconds since the epoch. */
  at: number;
  durationMs: number;
  result: Exclude<SendResult, { outcome: 'stopped' }>;
}

export interface RetryRules {
  /** Delays between attempts, in milliseconds. */
  schedule: readonly number[];
  /** A longer Retry-After is reduced to this time, in milliseconds. */
  maxRetryAfterMs: number;
}

/** Returns a delivery's changes after an attempt. A late result changes nothing, unless it is a success. */
export function changesAfter(
  row: Delivery,
  { turn, result }: Pick<FinishedAttempt, 'turn' | 'result'>,
  { nowMs, ...rules }: RetryRules & { nowMs: number },
): Partial<Delivery> {
  // A success always counts, because the receiver has accepted the delivery. For example, it counts after the lease has
  // ended, or after the endpoint was disabled.
  // Any other result counts only while its attempt is the delivery's current one.
  const isCurrent = row.status === 'PENDING' && row.turn === turn && row.running;
  if (!isCurrent && (result.outcome !== 'delivered' || row.status === 'DELIVERED')) return {};
  switch (result.outcome) {
    case 'delivered':
    case 'unreported':
      return { status: 'DELIVERED', ...ended };
    case 'accepted':
      return { ...dueAt(nowMs + result.reportWithinMs), acceptedTurn: turn };
    case 'simulated':
      return { status: 'SIMULATED', ...ended };
    case 'postponed':
      return dueAt(nowMs + result.delayMs);
    case 'failed':
      return retryOrFail(row, { ...rules, nowMs, ...result });
  }
}

/** The fields that change when a delivery ends. */
export const ended = { running: false, acceptedTurn: null, nextAttemptAt: null } as const;

/** Returns the changes after a failed attempt. */
export function retryOrFail(
  { failures: before }: Delivery,
  { final, nowMs, ...retry }: { final: boolean; nowMs: number } & Omit<RetryInput, 'failures'>,
): Partial<Delivery> {
  const failures = before + 1;
  const delayMs = final ? null : nextDelayMs({ ...retry, failures });
  return delayMs === null ? { status: 'FAILED', failures, ...ended } : { failures, ...dueAt(nowMs + delayMs) };
}

/** Returns the delivery as due now, at the beginning of its retry schedule. */
export function restart(row: Delivery, nowMs: number): Delivery {
  return { ...row, status: 'PENDING', ...dueAt(nowMs), failures: 0, round: row.round + 1 };
}

function dueAt(ms: number) {
  return { running: false, acceptedTurn: null, nextAttemptAt: new Date(ms) };
}
