import { setTimeout as sleep } from 'node:timers/promises';
import type { VoucherEvent } from './voucher-event.ts';

/** Publishes events to the source from which a gateway reads them, such as Kafka. Resolves once the source has them. */
export type Publish = (events: readonly VoucherEvent[]) => Promise<unknown>;

/**
 * Publishes events at a steady rate per second. Resolves once all are published, and rejects if publishing one fails.
 */
export async function publishSteadily(
  publish: Publish,
  { total, rate, next }: { total: number; rate: number; next(index: number): VoucherEvent },
): Promise<void> {
  const startedAt = performance.now();
  const running: Promise<unknown>[] = [];
  const failures: unknown[] = [];
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.ceil(((performance.now() - startedAt) / 1_000) * rate));
    const events: VoucherEvent[] = [];
    for (; sent < due; sent += 1) events.push(next(sent));
    if (events.length > 0) running.push(publish(events).catch((error) => failures.push(error)));
    await sleep(1);
    if (failures.length > 0) break;
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];
}

/** Waits until the condition is true, up to a time limit. Resolves with false after the time limit. */
export async function within(limitMs: number, holds: () => boolean): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!holds() && performance.now() < deadline) await sleep(20);
  return holds();
}
