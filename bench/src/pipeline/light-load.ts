import { atMost, figureOf, latencies, type Report } from '../report.ts';
import type { PipelineSystem } from './pipeline-system.ts';
import { requestSteadily } from './request-steadily.ts';

const perSecond = 20;
const seconds = Number(process.env.BENCH_LIGHT_SECONDS ?? 20);

/**
 * Measures the latencies of requests at a low rate. The provider sends each code immediately, in the response to the
 * request.
 */
export async function lightLoad(system: PipelineSystem): Promise<Report> {
  const { journeys } = system;
  journeys.clear();
  const accepts = await requestSteadily(system, { total: perSecond * seconds, perSecond });
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
