import { atMost, latencies, type Report, round } from '../report.ts';
import { warmUp } from './full-load.ts';
import { openPipelineSystem } from './pipeline-system.ts';
import { requestSteadily } from './request-steadily.ts';

const minutes = Number(process.env.BENCH_OUTAGE_MINUTES ?? 10);
const perSecond = Number(process.env.BENCH_OUTAGE_RATE ?? 100);
const settledWithinSeconds = 300;

/**
 * Measures how soon all codes are delivered after an outage of the provider. During the outage, clients request
 * vouchers at a steady rate, and the provider responds with 500. After the outage, the provider responds with a code
 * immediately.
 */
export async function outage(): Promise<Report> {
  await using system = await openPipelineSystem();
  const { journeys } = system;
  await warmUp(system);
  journeys.clear();
  await system.instructProvider({ fault: 'error', times: 1_000_000 });
  const accepts = await requestSteadily(system, { total: minutes * 60 * perSecond, perSecond });
  await system.clearInstructions();
  const endedAt = performance.now();
  const early = journeys.all().length - journeys.undelivered();
  console.log(`the outage ends: ${accepts.length} accepted, ${early} of them delivered during it`);
  const progress = setInterval(
    () => console.log(`${round((performance.now() - endedAt) / 1_000)} s after: ${journeys.undelivered()} undelivered`),
    10_000,
  );
  await journeys.settle(settledWithinSeconds * 2_000);
  clearInterval(progress);
  const arrivals = journeys.all().map(({ calledBackAt = Infinity }) => (calledBackAt - endedAt) / 1_000);
  const name = `outage of ${minutes} min at ${perSecond}/s`;
  const lastSeconds = round(Math.max(...arrivals));
  return {
    results: [
      ...latencies(`accepted, ${name}`, accepts),
      { name, metric: 'accepted', unit: 'requests', value: accepts.length },
      { name, metric: 'last callback after its end', unit: 's', value: lastSeconds },
      { name, metric: 'undelivered', unit: 'requests', value: journeys.undelivered() },
    ],
    bounds: [
      atMost('delivered after the outage, s', lastSeconds, settledWithinSeconds),
      atMost('undelivered', journeys.undelivered(), 0),
    ],
  };
}
