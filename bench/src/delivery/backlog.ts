import { setTimeout as sleep } from 'node:timers/promises';
import { atMost, latencies, type Report, round } from '../report.ts';
import { createEndpoints, createLoad, type Phase, p99Of } from './load.ts';
import { type OwnDelivery, startOwnDelivery } from './own-delivery.ts';
import { startReceivers } from './receivers.ts';

const total = Number(process.env.BENCH_BACKLOG ?? 20_000);
/** Seconds for which the 50 healthy receivers are measured, before and after the backlog. */
const seconds = Number(process.env.BENCH_SECONDS ?? 30);
/** Seconds of each measurement of the healthy receivers while the backlog is delivered. */
const turnSeconds = 5;
/** Codes per second to the healthy receivers. */
const rate = 100;
const outageSeconds = 3_600;
/**
 * Seconds within which all callbacks of an outage must be delivered. The outage lasts `outageSeconds`, with `rate`
 * callbacks per second. The benchmark calculates the time from the measured delivery rate.
 */
const withinSeconds = 900;
/** Time limit for storing the `total` callbacks during the outage, and again for delivering them after it. */
const settleMs = withinSeconds * 1_000;

/**
 * Measures one delivery process on PostgreSQL, Redis and Kafka after an outage of one receiver. During the outage, the
 * process stores the callbacks to this receiver. The benchmark measures how soon the stored callbacks are delivered
 * after the outage. It also measures the latency of 100 callbacks per second to 50 healthy receivers: before, during
 * and after the delivery of the backlog.
 */
export async function backlog(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  let own: OwnDelivery | undefined;
  const publish = () => {
    if (!own) throw new Error('delivery is not started');
    return own.publish;
  };
  const [waiting, load] = [createLoad(publish), createLoad(publish)];
  let firstAt: number | null = null;
  const receivers = releases.use(
    await startReceivers((voucherId) => {
      if (waiting.arrived(voucherId)) firstAt ??= performance.now();
      else load.arrived(voucherId);
    }),
  );
  own = releases.use(await startOwnDelivery(receivers));
  const others = createEndpoints('other', 50, receivers.urlOf);
  const steadyRun = (forSeconds: number) => load.run(others, { total: rate * forSeconds, rate, settleMs: 30_000 });
  await steadyRun(seconds);
  const base = [await steadyRun(seconds)];

  receivers.setFailing('down0', true);
  const down = createEndpoints('down', 1, receivers.urlOf);
  const startedAt = performance.now();
  const delivered = waiting.run(down, { total, rate: null, settleMs: 2 * settleMs });
  delivered.catch(() => {});
  const deadline = performance.now() + settleMs;
  while ((await own.waiting()) < total && performance.now() < deadline) await sleep(1_000);
  receivers.setFailing('down0', false);
  const recoveredAt = performance.now();
  // Wait until the circuit breaker sends its next probe.
  while (firstAt === null && performance.now() < deadline) await sleep(10);
  let isDone = false;
  const ended = delivered.finally(() => {
    isDone = true;
  });
  ended.catch(() => {});
  const meanwhile: Phase[] = [];
  while (!isDone) meanwhile.push(await steadyRun(turnSeconds));
  const phase = await ended;
  base.push(await steadyRun(seconds));

  const probedAt = firstAt ?? Number.NaN;
  const probeSeconds = (probedAt - recoveredAt) / 1_000;
  const perSecond = total / ((startedAt + phase.tookMs - probedAt) / 1_000);
  const hour = probeSeconds + (outageSeconds * rate) / (perSecond - rate);
  const name = `${total} callbacks of one receiver after its outage`;
  return {
    results: [
      { name, metric: 'until the first one', unit: 's', value: round(probeSeconds) },
      { name, metric: 'deliveries from then on', unit: '1/s', value: round(perSecond) },
      ...latencies(`50 others, ${rate}/s`, timesOf(base)),
      ...latencies(`50 others, ${rate}/s, meanwhile`, timesOf(meanwhile)),
    ],
    bounds: [
      atMost(`an hour's backlog of ${rate}/s, delivered beside new ones, s`, round(hour), withinSeconds),
      atMost('p99 of the others, meanwhile to before and after', round(p99Of(...meanwhile) / p99Of(...base)), 1.5),
      atMost(
        'callbacks that did not come',
        [phase, ...base, ...meanwhile].reduce((sum, { missing }) => sum + missing, 0),
        0,
      ),
    ],
  };
}

function timesOf(phases: readonly Phase[]): number[] {
  return phases.flatMap(({ timesMs }) => timesMs);
}
