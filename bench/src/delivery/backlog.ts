import { setTimeout as sleep } from 'node:timers/promises';
import { atMost, latencies, percentile, type Report, round } from '../report.ts';
import { createEndpoints, createLoad, p99Of } from './load.ts';
import { type OwnDelivery, startOwnDelivery } from './own-delivery.ts';
import { startReceivers } from './receivers.ts';

const total = Number(process.env.BENCH_BACKLOG ?? 20_000);
/** Length of a measurement of the other endpoints. */
const seconds = Number(process.env.BENCH_SECONDS ?? 20);
const rate = 100;
const outageMs = 15_000;
/** Time within which the callbacks of an hour's outage must be delivered. */
const withinSeconds = 900;

/**
 * Measures one delivery process on PostgreSQL, Redis and Kafka after an outage of one receiver: how soon its callbacks, which
 * are all due, are delivered, and the latency of 100 per second to 50 other receivers meanwhile.
 */
export async function backlog(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  let own: OwnDelivery | undefined;
  const publish = () => {
    if (!own) throw new Error('delivery is not started');
    return own.publish;
  };
  const [waiting, load] = [createLoad(publish), createLoad(publish)];
  const receivers = releases.use(
    await startReceivers((voucherId) => {
      waiting.arrived(voucherId);
      load.arrived(voucherId);
    }),
  );
  own = releases.use(await startOwnDelivery(receivers));
  const others = createEndpoints('other', 50, receivers.urlOf);
  const steadyRun = () => load.run(others, { total: rate * seconds, rate, settleMs: 30_000 });
  await steadyRun();
  const base = await steadyRun();

  const down = createEndpoints('down', 1, receivers.urlOf);
  receivers.setFailing('down0', true);
  const startedAt = performance.now();
  let isDone = false;
  const delivered = waiting.run(down, { total, rate: null, settleMs: outageMs + withinSeconds * 1_000 });
  const ended = delivered.finally(() => {
    isDone = true;
  });
  ended.catch(() => {});
  await sleep(outageMs);
  receivers.setFailing('down0', false);
  const recoveredAt = performance.now();
  const meanwhile = [await steadyRun()];
  while (!isDone) meanwhile.push(await steadyRun());
  const phase = await ended;

  const name = `${total} callbacks of one receiver after its outage`;
  const lastSeconds = round((startedAt + phase.tookMs - recoveredAt) / 1_000);
  const missing = [base, phase, ...meanwhile].reduce((sum, each) => sum + each.missing, 0);
  return {
    results: [
      { name, metric: '99 % of them', unit: 's', value: round((percentile(phase.timesMs, 0.99) - outageMs) / 1_000) },
      { name, metric: 'the last, which had failed attempts', unit: 's', value: lastSeconds },
      ...latencies(`50 others, ${rate}/s`, base.timesMs),
      ...latencies(
        `50 others, ${rate}/s, meanwhile`,
        meanwhile.flatMap(({ timesMs }) => timesMs),
      ),
    ],
    bounds: [
      atMost('delivered after the outage, s', lastSeconds, withinSeconds),
      atMost('p99 of the others, meanwhile to before', round(p99Of(...meanwhile) / p99Of(base)), 1.5),
      atMost('callbacks that did not come', missing, 0),
    ],
  };
}
