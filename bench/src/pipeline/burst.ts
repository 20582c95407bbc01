import { atMost, type Report, round } from '../report.ts';
import type { PipelineSystem } from './pipeline-system.ts';

const requests = 1_000;
/**
 * After 3 s the provider would respond without a code. This delay is just shorter, so the response contains the code.
 */
const providerDelayMs = 2_950;

/** Measures how soon many simultaneous requests are accepted and delivered, while the provider is slow. */
export async function burst(system: PipelineSystem): Promise<Report> {
  const { journeys, request } = system;
  journeys.clear();
  await system.clearInstructions();
  await system.instructProvider({ delayMs: providerDelayMs, times: 1_000_000 });
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: requests }, request));
  const acceptedMs = performance.now() - startedAt;
  await journeys.settle(60_000);
  const all = journeys.all();
  const firstAcceptedAt = Math.min(...all.map(({ acceptedAt }) => acceptedAt));
  const lastArrivedAt = Math.max(
    ...all.flatMap(({ calledBackAt = Infinity, streamedAt = Infinity }) => [calledBackAt, streamedAt]),
  );
  const deliveredMs = round(lastArrivedAt - firstAcceptedAt);
  const longestMs = Math.max(...journeys.since('calledBackAt'), ...journeys.since('streamedAt'));
  const name = `burst of ${requests}, provider takes ${providerDelayMs / 1_000} s`;
  return {
    results: [
      { name, metric: 'all accepted', unit: 'ms', value: round(acceptedMs) },
      { name, metric: 'all delivered', unit: 'ms', value: deliveredMs },
      { name, metric: 'longest', unit: 'ms', value: round(longestMs) },
    ],
    bounds: [atMost('burst delivered, ms', deliveredMs, 10_000)],
  };
}
