import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { MeasuredProcess } from '../processes/measured-process.ts';
import { atMost, mebibyte, percentile, type Report, type Result, round } from '../report.ts';
import { ours } from './contenders.ts';
import { type GatewaySystem, type LoadResult, openGatewaySystem } from './gateway-system.ts';
import { operations } from './graph.ts';

const requests = Number(process.env.BENCH_REQUESTS ?? 1_000_000);
const newOperations = Number(process.env.BENCH_OPERATIONS ?? 10_000);
const connections = Number(process.env.BENCH_CONNECTIONS ?? 50);
const roundMs = 10_000;
const newOperationsInFlight = 4;
const probeEveryMs = 10;
const maxRssMiB = 200;

/**
 * Measures the memory of two gateway processes. The first process gets a million requests of one operation. The second
 * process gets ten thousand different operations. At the same time, it gets one more operation, whose plan is cached.
 * The benchmark measures how much the different operations delay this operation.
 */
export async function endurance(): Promise<Report> {
  await using system = await openGatewaySystem();
  const results: Result[] = [];
  const rssAfterRequests = await sendKnown(system, results);
  await sendNew(system, results);
  return { results, bounds: [atMost(`RSS after ${requests} requests, MiB`, rssAfterRequests, maxRssMiB)] };
}

/** Sends the same operation over and over. Returns the resident memory at the end, in MiB. */
async function sendKnown({ environment, load }: GatewaySystem, results: Result[]): Promise<number> {
  await using gateway = await ours.start(environment);
  const port = Number(new URL(gateway.url).port);
  const body = JSON.stringify({ query: operations.Q2 });
  let answered = 0;
  let failed = 0;
  while (answered < requests) {
    const sent = { port, path: ours.path, body, connections, warmUpMs: 0, ms: roundMs };
    const result = (await load.ask(sent)) as LoadResult;
    answered += result.answered;
    failed += result.failed;
    results.push({ name: `Q2, after ${answered}`, metric: 'RSS', unit: 'MiB', value: rssMiB(gateway) });
  }
  results.push({ name: 'Q2', metric: 'failed', unit: 'requests', value: failed });
  return rssMiB(gateway);
}

/** Sends operations that differ from each other, and every 10 ms an operation whose plan is cached. */
async function sendNew({ environment }: GatewaySystem, results: Result[]): Promise<void> {
  await using releases = new AsyncDisposableStack();
  const agent = releases.adopt(new Agent({ connections: 16 }), (owned) => owned.close());
  const gateway = releases.use(await ours.start(environment));
  const send = async (query: string) => {
    const { body } = await request(`${gateway.url}${ours.path}`, {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    const { data } = (await body.json()) as { data?: unknown };
    if (!data) throw new Error(`no data for ${query}`);
  };
  for (let index = 0; index < 100; index += 1) await send(String(operations.Q1));
  const done = new AbortController();
  const probes = probe(() => send(String(operations.Q1)), done.signal);
  let created = 0;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: newOperationsInFlight }, async () => {
      while (created < newOperations) {
        created += 1;
        const index = created;
        await send(newOperation(index));
        if (index % (newOperations / 5) === 0)
          results.push({ name: `new, after ${index}`, metric: 'RSS', unit: 'MiB', value: rssMiB(gateway) });
      }
    }),
  );
  const name = `${newOperations} new operations`;
  results.push({
    name,
    metric: 'rate',
    unit: '1/s',
    value: round((1_000 * created) / (performance.now() - startedAt)),
  });
  done.abort();
  const delaysMs = await probes;
  for (const [metric, share] of Object.entries({ p50: 0.5, p99: 0.99, longest: 1 }))
    results.push({ name: 'Q1 beside them', metric, unit: 'ms', value: round(percentile(delaysMs, share)) });
}

/** Calls `send` every 10 ms until the signal aborts. Returns the duration of each call, in milliseconds. */
async function probe(send: () => Promise<void>, signal: AbortSignal): Promise<number[]> {
  const delaysMs: number[] = [];
  const running: Promise<unknown>[] = [];
  while (!signal.aborted) {
    const startedAt = performance.now();
    running.push(send().then(() => delaysMs.push(performance.now() - startedAt)));
    await sleep(probeEveryMs);
  }
  await Promise.all(running);
  return delaysMs;
}

/**
 * Returns an operation that calls two subgraphs. Its alias contains `index`, so that each operation is new for the
 * gateway.
 */
function newOperation(index: number): string {
  return `{ purchasedVouchers(phoneNumber: "mixed", first: 2) { id n${index}: code status owner { username } } }`;
}

const rssMiB = (gateway: MeasuredProcess) => round(gateway.rssBytes() / mebibyte);
