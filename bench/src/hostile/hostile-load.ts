import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { FlightTimes } from '../load/flight-times.ts';
import { type Publish, publishSteadily, within } from '../load/steady-load.ts';
import { type Addressee, voucherEvent } from '../load/voucher-event.ts';
import type { MeasuredProcess } from '../processes/measured-process.ts';
import { latencies, mebibyte, type Result, round } from '../report.ts';

const queriesPerSecond = 50;
const eventsPerSecond = 50;
const lateAfterMs = 10_000;

/** A fake subgraph that answers any request immediately, always with the same user. */
export async function startQuickSubgraph(): Promise<{ url: string } & AsyncDisposable> {
  const answer = JSON.stringify({ data: { me: { id: 'ann', username: 'ann' } } });
  const server = createServer((incoming, response) => {
    incoming.resume();
    incoming.once('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The load of well-behaved clients: queries and events. */
export interface GoodLoad {
  gateway: MeasuredProcess;
  token: string;
  publish: Publish;
  subscribers: readonly Addressee[];
  flights: FlightTimes;
}

export interface GoodPhase {
  queriesMs: readonly number[];
  eventsMs: readonly number[];
  /** Queries without a response, or with a wrong one. */
  failed: number;
  /** Events that have not arrived 10 s after the last one was sent. */
  missing: number;
  cpuShare: number;
  rssBytes: number;
}

/** Sends queries and publishes events at a steady rate, independent of the responses. */
export async function runGoodPhase(load: GoodLoad, seconds: number): Promise<GoodPhase> {
  const { gateway, publish, subscribers, flights } = load;
  const events = eventsPerSecond * seconds;
  flights.begin();
  const cpuBefore = gateway.cpuMs();
  const startedAt = performance.now();
  const [queries] = await Promise.all([
    askSteadily(load, queriesPerSecond * seconds),
    publishSteadily(publish, {
      total: events,
      rate: eventsPerSecond,
      next: (index) => voucherEvent(subscribers[index % subscribers.length] as Addressee, flights.stamp()),
    }),
  ]);
  const cpuShare = (gateway.cpuMs() - cpuBefore) / (performance.now() - startedAt);
  await within(lateAfterMs, () => flights.timesMs.length >= events);
  return {
    ...queries,
    eventsMs: flights.timesMs,
    missing: events - flights.timesMs.length,
    cpuShare,
    rssBytes: gateway.rssBytes(),
  };
}

async function askSteadily({ gateway, token }: GoodLoad, total: number) {
  await using releases = new AsyncDisposableStack();
  const agent = releases.adopt(new Agent({ connections: 50 }), (owned) => owned.close());
  const queriesMs: number[] = [];
  let failed = 0;
  const ask = async () => {
    const startedAt = performance.now();
    const { statusCode, body } = await request(`${gateway.url}/graphql`, {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/json', authorization: token },
      body: '{"query":"{ me { id username } }"}',
    });
    const text = await body.text();
    if (statusCode !== 200 || !text.includes('"username":"ann"')) throw new Error(text);
    queriesMs.push(performance.now() - startedAt);
  };
  const startedAt = performance.now();
  const running: Promise<void>[] = [];
  while (running.length < total) {
    const due = Math.min(total, ((performance.now() - startedAt) / 1_000) * queriesPerSecond);
    while (running.length < due)
      running.push(
        ask().catch(() => {
          failed += 1;
        }),
      );
    await sleep(1);
  }
  await Promise.all(running);
  return { queriesMs, failed };
}

export function goodResults(name: string, phase: GoodPhase): Result[] {
  return [
    ...latencies(`queries, ${name}`, phase.queriesMs),
    { name: `queries, ${name}`, metric: 'failed', unit: 'queries', value: phase.failed },
    ...latencies(`events, ${name}`, phase.eventsMs),
    { name: `events, ${name}`, metric: 'missing', unit: 'events', value: phase.missing },
    { name, metric: 'CPU', unit: '% of a core', value: round(phase.cpuShare * 100) },
    { name, metric: 'RSS at the end', unit: 'MiB', value: round(phase.rssBytes / mebibyte) },
  ];
}
