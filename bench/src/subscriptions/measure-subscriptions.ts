import { setTimeout as sleep } from 'node:timers/promises';
import { createFlightTimes, type FlightTimes } from '../load/flight-times.ts';
import { openClients } from '../load/load-client.ts';
import { publishSteadily, within } from '../load/steady-load.ts';
import { voucherEvent } from '../load/voucher-event.ts';
import { latencies, type Result, round } from '../report.ts';
import type { Contender, StartedContender } from './contender.ts';

const settleMs = 3_000;
/** Number of clients that connect and leave before the measurement, as a warm-up. */
const firstClients = 200;
const warmUpSeconds = 2;
const lateAfterMs = 10_000;
const probesPerSecond = 1_000;
const probeWithinMs = 20_000;

export interface Load {
  connections: number;
  /** Rates in events per second, measured one after the other. */
  rates: readonly number[];
  /** Seconds for which events are published at this rate. */
  secondsAt(rate: number): number;
}

/**
 * Connects clients to a gateway. Each client has its own phone number and subscription. Then events are published at a
 * steady rate, and each event is for one client.
 *
 * The results are RSS per connection before the first event, and the number of clients that got no event. For each
 * rate, there are four more results: latency from publisher to client, CPU per event, CPU as a share of one core, and
 * events that are missing after 10 s.
 */
export async function measureSubscriptions(
  contender: Contender,
  { connections, rates, secondsAt }: Load,
): Promise<Result[]> {
  await using releases = new AsyncDisposableStack();
  const started = releases.use(await contender.start(connections));
  const flights = createFlightTimes();
  const heard = new Set<number>();
  const connect = (count: number) =>
    openClients(
      started.addressees.slice(0, count).map((_addressee, index) => ({
        ...started.clientOptions(index),
        onNext(message) {
          heard.add(index);
          flights.arrived(JSON.parse(String(message)).payload.data.voucherReceived.node.code);
        },
      })),
    );
  // These clients connect and leave before the measurement. So memory that a gateway allocates once, for its first
  // clients, does not count as memory per connection.
  for (const client of await connect(firstClients)) client?.[Symbol.dispose]();
  await sleep(settleMs);
  const idleBytes = started.process.rssBytes();
  const clients = await connect(connections);
  for (const client of clients) if (client) releases.use(client);
  await sleep(settleMs);
  const name = nameOf(contender, connections);
  const perConnection = (started.process.rssBytes() - idleBytes) / connections / 1_024;
  await probe(started, heard, flights);
  const results: Result[] = [
    { name, metric: 'RSS a connection', unit: 'KiB', value: round(perConnection) },
    { name, metric: 'never hear', unit: 'clients', value: connections - heard.size },
  ];
  for (const rate of rates) {
    const at = nameOf(contender, connections, rate);
    results.push(...(await measureRate(started, flights, { name: at, rate, seconds: secondsAt(rate) })));
  }
  return results;
}

/** Returns the name of a gateway's results. */
export function nameOf({ label }: Pick<Contender, 'label'>, connections: number, rate?: number): string {
  return `${label && `${label}: `}${connections} connections${rate === undefined ? '' : `, ${rate} events/s`}`;
}

/**
 * Publishes events for each client until all clients have received one, or for 20 s. This check is needed, because some
 * servers do not report when a subscription is active.
 */
async function probe(started: StartedContender, heard: ReadonlySet<number>, flights: FlightTimes): Promise<void> {
  const deadline = performance.now() + probeWithinMs;
  const { addressees, publish } = started;
  while (heard.size < addressees.length && performance.now() < deadline) {
    const silent = addressees.filter((_addressee, index) => !heard.has(index));
    await publishSteadily(publish, {
      total: silent.length,
      rate: probesPerSecond,
      next: (index) => voucherEvent(silent[index] as (typeof silent)[number], flights.stamp()),
    });
    await within(2_000, () => heard.size === addressees.length);
  }
}

async function measureRate(
  { process, addressees, publish }: StartedContender,
  flights: FlightTimes,
  { name, rate, seconds }: { name: string; rate: number; seconds: number },
): Promise<Result[]> {
  const publishFor = (forSeconds: number) => {
    flights.begin();
    return publishSteadily(publish, {
      total: rate * forSeconds,
      rate,
      next() {
        const addressee = addressees[Math.floor(Math.random() * addressees.length)];
        if (!addressee) throw new Error('there are no clients');
        return voucherEvent(addressee, flights.stamp());
      },
    });
  };
  await publishFor(warmUpSeconds);
  await sleep(500);
  const sent = rate * seconds;
  const cpuBefore = process.cpuMs();
  const startedAt = performance.now();
  await publishFor(seconds);
  const share = (process.cpuMs() - cpuBefore) / (performance.now() - startedAt);
  await within(lateAfterMs, () => flights.timesMs.length >= sent);
  const cpuPerEvent = ((process.cpuMs() - cpuBefore) / sent) * 1_000;
  return [
    ...latencies(name, flights.timesMs),
    { name, metric: 'CPU an event', unit: 'µs', value: round(cpuPerEvent) },
    { name, metric: 'CPU', unit: '% of a core', value: round(share * 100) },
    { name, metric: 'missing', unit: 'events', value: sent - flights.timesMs.length },
  ];
}
