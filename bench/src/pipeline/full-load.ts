import { cpus } from 'node:os';
import { readCpuMs } from '../processes/process-cpu.ts';
import { atMost, latencies, type Report, type Result, round } from '../report.ts';
import type { PipelineSystem } from './pipeline-system.ts';

/** Length of the warm-up. In this time, Node and Kafka's JVM compile most of their code. */
const warmUpSeconds = Number(process.env.BENCH_WARM_UP_SECONDS ?? 30);
const seconds = Number(process.env.BENCH_LOAD_SECONDS ?? 60);
const inFlight = Number(process.env.BENCH_IN_FLIGHT ?? 32);
const acceptedPerSecondAtLeast = 400;

/** CPU time of all processes of this machine, in milliseconds. */
const busyMs = () => cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);

/** Sends requests without pause for `warmUpSeconds`. */
export async function warmUp(system: PipelineSystem): Promise<void> {
  await requestFor(warmUpSeconds, system);
  await system.journeys.settle(30_000);
}

/** Measures how many requests per second are accepted, and how much CPU time they take. */
export async function fullLoad(system: PipelineSystem): Promise<Report> {
  const { journeys } = system;
  journeys.clear();
  const pids = system.pids();
  const busyBefore = busyMs();
  const usedBefore = readCpuMs(pids);
  const { eachMs, tookMs } = await requestFor(seconds, system);
  await journeys.settle(10_000);
  const undelivered = journeys.undelivered();
  await journeys.settle(120_000);
  const accepted = round(eachMs.length / (tookMs / 1_000));
  const perRequest = (name: string, ms: number): Result => ({
    name: 'load',
    metric: `CPU per request, ${name}`,
    unit: 'ms',
    value: round(ms / eachMs.length),
  });
  return {
    results: [
      { name: `load, ${inFlight} in flight, ${seconds} s`, metric: 'accepted', unit: '1/s', value: accepted },
      ...latencies('accepted, load', eachMs),
      { name: 'load', metric: 'undelivered 10 s after', unit: 'requests', value: undelivered },
      perRequest('all processes', busyMs() - busyBefore),
      ...[...readCpuMs(pids)].map(([name, ms]) => perRequest(name, ms - (usedBefore.get(name) ?? 0))),
    ],
    bounds: [
      {
        name: 'accepted a second, at least',
        limit: acceptedPerSecondAtLeast,
        value: accepted,
        ok: accepted >= acceptedPerSecondAtLeast,
      },
      atMost('undelivered 10 s after the load', undelivered, 0),
    ],
  };
}

/**
 * Sends requests without pause, `inFlight` at a time. Returns the time of each request, and the total time, in
 * milliseconds.
 */
async function requestFor(
  forSeconds: number,
  { request }: PipelineSystem,
): Promise<{ eachMs: number[]; tookMs: number }> {
  const eachMs: number[] = [];
  const startedAt = performance.now();
  const endAt = startedAt + forSeconds * 1_000;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() < endAt) eachMs.push(await request());
    }),
  );
  return { eachMs, tookMs: performance.now() - startedAt };
}
