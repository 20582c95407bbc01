import { setTimeout as sleep } from 'node:timers/promises';
import { atMost, figureOf, latencies, type Report } from '../report.ts';
import type { PipelineSystem } from './pipeline-system.ts';

const perSecond = 20;
const seconds = Number(process.env.BENCH_LIGHT_SECONDS ?? 20);

/** Measures the latencies of requests at a low rate, whose codes are in the provider's response. */
export async function lightLoad({ journeys, request }: PipelineSystem): Promise<Report> {
  journeys.clear();
  const accepts: number[] = [];
  const startedAt = performance.now();
  const running: Promise<unknown>[] = [];
  for (let index = 0; index < perSecond * seconds; index += 1) {
    await sleep(Math.max(0, startedAt + (index * 1_000) / perSecond - performance.now()));
    running.push(request().then((ms) => accepts.push(ms)));
  }
  await Promise.all(running);
  await journeys.settle(10_000);
  const toCallback = `acceptance to callback, ${perSecond}/s`;
  const toSubscriber = `acceptance to subscriber, ${perSecond}/s`;
  const results = [
    ...latencies(`accepted, ${perSecond}/s`, accepts),
    ...latencies(toCallback, journeys.since('calledBackAt')),
    ...latencies(toSubscriber, journeys.since('streamedAt')),
  ];
  return {
    results,
    bounds: [
      atMost('acceptance to subscriber p50', figureOf(results, toSubscriber, 'p50'), 20),
      atMost('acceptance to subscriber p99', figureOf(results, toSubscriber, 'p99'), 75),
      atMost('acceptance to callback p50', figureOf(results, toCallback, 'p50'), 20),
      atMost('acceptance to callback p99', figureOf(results, toCallback, 'p99'), 75),
    ],
  };
}
