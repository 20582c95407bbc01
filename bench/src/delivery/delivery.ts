import { atMost, latencies, type Report, type Result, round } from '../report.ts';
import { createEndpoints, createLoad, type Endpoint, type Phase, p99Of } from './load.ts';
import { type OwnDelivery, startOwnDelivery } from './own-delivery.ts';
import { startReceivers } from './receivers.ts';

const total = Number(process.env.BENCH_DELIVERIES ?? 12_000);
/**
 * Length of each measurement at a steady rate, in seconds. It is longer than a callback's time-out. So attempts at
 * hanging endpoints reach their time-out during the measurement.
 */
const seconds = Number(process.env.BENCH_SECONDS ?? 20);
const turns = Number(process.env.BENCH_TURNS ?? 2);
const rate = 300;
const minPerSecond = 500;
/** Numbers of endpoints at the steady rate: the total, how many hang, and how many have a dead name server. */
const steady = { all: 200, hanging: 20, dead: 5 };

/**
 * Measures one delivery process on PostgreSQL, Redis and Kafka, on this machine:
 *
 * 1. Deliveries per second to 100 fast receivers, and the CPU time per delivery.
 * 2. The rate of the other 90 receivers while 10 of the 100 hang.
 * 3. Latency at a steady rate to 200 receivers. In the first case all receivers work. In the second case 20 hang, and 5
 *    have dead name servers. The two cases are measured alternately, so that changes over time affect both equally.
 *    Each time, different receivers are broken.
 */
export async function delivery(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  let own: OwnDelivery | undefined;
  const load = createLoad(() => {
    if (!own) throw new Error('delivery is not started');
    return own.publish;
  });
  const receivers = releases.use(await startReceivers(load.arrived));
  own = releases.use(await startOwnDelivery(receivers));

  const fast = createEndpoints('fast', 100, receivers.urlOf);
  const isHanging = new Set(fast.slice(0, 10));
  await load.run(fast, { total: total / 4, rate: null, settleMs: 30_000 });

  const cpuBefore = own.cpuMs();
  const allFast = await load.run(fast, { total, rate: null, settleMs: 30_000 });
  const cpu = [...own.cpuMs()].map(([name, ms]) => [name, (ms - (cpuBefore.get(name) ?? 0)) / total] as const);

  for (const { name } of isHanging) receivers.setHanging(name, true);
  const counts = (endpoint: Endpoint) => !isHanging.has(endpoint);
  const someHang = await load.run(fast, { total, rate: null, counts, settleMs: 30_000 });
  // The receivers respond again. So the waiting callbacks are delivered, and the next phases start without a backlog.
  for (const { name } of isHanging) receivers.setHanging(name, false);

  const healthy = createEndpoints('steady', steady.all - steady.hanging - steady.dead, receivers.urlOf);
  const others = createEndpoints('other', steady.hanging + steady.dead, receivers.urlOf);
  const isHealthy = new Set(healthy);
  const steadyRun = (rest: readonly Endpoint[], forSeconds: number) =>
    load.run(mix(healthy, rest), {
      total: rate * forSeconds,
      rate,
      counts: (endpoint) => isHealthy.has(endpoint),
      settleMs: 30_000,
    });
  await steadyRun(others, 10);
  const base = [await steadyRun(others, seconds)];
  const withBroken: Phase[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const broken = createEndpoints(`broken${turn}-`, steady.hanging + steady.dead, receivers.urlOf);
    for (const { name } of broken.slice(0, steady.hanging)) receivers.setHanging(name, true);
    for (const { name } of broken.slice(steady.hanging)) receivers.killNameServer(name);
    withBroken.push(await steadyRun(broken, seconds));
    base.push(await steadyRun(others, seconds));
  }
  return report({ cpu, allFast, someHang, base, withBroken });
}

function report({
  cpu,
  allFast,
  someHang,
  base,
  withBroken,
}: {
  /** CPU time per delivery, in milliseconds by process. */
  cpu: readonly (readonly [name: string, ms: number])[];
  allFast: Phase;
  someHang: Phase;
  base: readonly Phase[];
  withBroken: readonly Phase[];
}): Report {
  const perSecond = (name: string, phase: Phase): Result[] => [
    { name, metric: 'deliveries', unit: '1/s', value: perSecondOf(phase) },
    { name, metric: 'missing', unit: 'callbacks', value: phase.missing },
  ];
  const baseName = `${steady.all} endpoints, ${rate}/s`;
  const brokenName = `${baseName}, ${steady.hanging} hang, ${steady.dead} without DNS`;
  return {
    results: [
      ...perSecond('100 fast endpoints', allFast),
      ...cpu.map(([name, ms]) => ({
        name: '100 fast endpoints',
        metric: `CPU per delivery, ${name}`,
        unit: 'ms',
        value: round(ms),
      })),
      ...perSecond('90 fast endpoints, 10 hang', someHang),
      ...latencies(
        baseName,
        base.flatMap(({ timesMs }) => timesMs),
      ),
      ...latencies(
        brokenName,
        withBroken.flatMap(({ timesMs }) => timesMs),
      ),
    ],
    bounds: [
      ...[allFast, someHang].map((phase, index) => {
        const name = `deliveries per second${index === 0 ? '' : ' while 10 % hang'}, at least`;
        return { name, limit: minPerSecond, value: perSecondOf(phase), ok: perSecondOf(phase) >= minPerSecond };
      }),
      atMost(
        `p99 of the ${steady.all - steady.hanging - steady.dead} others, while some are broken to while none is`,
        round(p99Of(...withBroken) / p99Of(...base)),
        1.5,
      ),
      atMost(
        'callbacks that did not come',
        [allFast, someHang, ...withBroken, ...base].reduce((sum, { missing }) => sum + missing, 0),
        0,
      ),
    ],
  };
}

function perSecondOf({ timesMs, tookMs }: Phase): number {
  return round(timesMs.length / (tookMs / 1_000));
}

/** Mixes two lists: spreads the endpoints of `rest` evenly among the endpoints of `first`. */
function mix(first: readonly Endpoint[], rest: readonly Endpoint[]): Endpoint[] {
  const every = Math.floor(first.length / rest.length);
  return first.flatMap((endpoint, index) =>
    index % every === 0 ? [endpoint, ...rest.slice(index / every, index / every + 1)] : [endpoint],
  );
}
