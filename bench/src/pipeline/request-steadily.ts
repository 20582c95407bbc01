import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineSystem } from './pipeline-system.ts';

/** Requests vouchers at a steady rate per second. Resolves with the time to each acceptance, in milliseconds. */
export async function requestSteadily(
  { request }: PipelineSystem,
  { total, perSecond }: { total: number; perSecond: number },
): Promise<number[]> {
  const startedAt = performance.now();
  const running: Promise<number>[] = [];
  for (let index = 0; index < total; index += 1) {
    await sleep(Math.max(0, startedAt + (index * 1_000) / perSecond - performance.now()));
    running.push(request());
  }
  return Promise.all(running);
}
