import { atMost, type Report, round } from '../report.ts';
import type { PipelineSystem } from './pipeline-system.ts';
import { requestSteadily } from './request-steadily.ts';

const requests = 3_000;
const acceptedPerSecond = 300;
/** The rate of the provider's callbacks. */
const duePerSecond = 500;
/** Time from the first acceptance to the first callback. */
const dueAfterMs = 20_000;
const perInstruction = 30;

/** Measures how fast late codes are delivered. The provider posts these codes at a high rate. */
export async function lateCodes(system: PipelineSystem): Promise<Report> {
  const { journeys } = system;
  journeys.clear();
  await system.clearInstructions();
  for (let index = 0; index < requests; index += perInstruction)
    await system.instructProvider({
      delayMs: Math.round(dueAfterMs + dueAtMs(index) - acceptedAtMs(index)),
      times: perInstruction,
    });
  const startedAt = performance.now();
  await requestSteadily(system, { total: requests, perSecond: acceptedPerSecond });
  const acceptedMs = performance.now() - startedAt;
  await journeys.settle(dueAfterMs + 30_000);
  const undelivered = journeys.undelivered();
  const calledBack = journeys.all().flatMap(({ calledBackAt }) => calledBackAt ?? []);
  const seconds = (Math.max(...calledBack) - Math.min(...calledBack)) / 1_000;
  const name = `late codes, ${requests} due at ${duePerSecond}/s`;
  return {
    results: [
      { name, metric: 'all accepted', unit: 'ms', value: round(acceptedMs) },
      { name, metric: 'called back', unit: '1/s', value: round(calledBack.length / seconds) },
      { name, metric: 'undelivered 30 s after', unit: 'requests', value: undelivered },
    ],
    bounds: [atMost('late codes undelivered 30 s after', undelivered, 0)],
  };
}

function acceptedAtMs(index: number): number {
  return (index * 1_000) / acceptedPerSecond;
}

function dueAtMs(index: number): number {
  return (index * 1_000) / duePerSecond;
}
