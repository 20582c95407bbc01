import { pinnedCore } from '../processes/measured-process.ts';
import { figureOf, mebibyte, medians, percentile, type Report, type Result, round } from '../report.ts';
import { openContenders, type QueryContender } from './contenders.ts';
import { type LoadResult, openGatewaySystem } from './gateway-system.ts';
import { operations } from './graph.ts';
import type { HelperProcess } from './helper-process.ts';

const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const connections = Number(process.env.BENCH_CONNECTIONS ?? 50);
const warmUpMs = 2_000;

/**
 * Compares gateways on queries. Each gateway is one process on one core. 50 connections repeat the same operation, and
 * subgraphs send stored responses. In each round every gateway is measured once. Each figure is the median of all
 * rounds.
 */
export async function gateway(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  const contenders = await openContenders(process.env.BENCH_PEERS);
  const { environment, load, subgraphs } = releases.use(await openGatewaySystem());
  const answers = new Map<string, string>();
  const measured: Result[] = [];
  for (let turn = 1; turn <= rounds; turn += 1) {
    for (const contender of contenders) {
      const results = await measure(contender, environment, { load, subgraphs, answers });
      console.log(
        `Round ${turn}: ${results.map(({ name, metric, value }) => `${name} ${metric} ${value}`).join(', ')}`,
      );
      measured.push(...results);
    }
  }
  const results = medians(measured);
  return { results: [onOneCore(), ...results, ...ratios(results, contenders)], bounds: [] };
}

interface Measurement {
  load: HelperProcess;
  subgraphs: HelperProcess;
  /** The data that the first gateway returned, by operation. All other gateways must return the same data. */
  answers: Map<string, string>;
}

async function measure(
  contender: QueryContender,
  environment: Readonly<Record<string, string>>,
  { load, subgraphs, answers }: Measurement,
): Promise<Result[]> {
  await using process = await contender.start(environment);
  const port = Number(new URL(process.url).port);
  const results: Result[] = [];
  for (const operation of contender.operations) {
    const name = `${operation}, ${contender.label}`;
    const body = JSON.stringify({ query: operations[operation] });
    await checkAnswer(`${process.url}${contender.path}`, body, operation, answers);
    const requestsBefore = await countRequests(subgraphs);
    await post(`${process.url}${contender.path}`, body);
    const perOperation = (await countRequests(subgraphs)) - requestsBefore;
    const request = { port, path: contender.path, body, connections, warmUpMs, ms: 1_000 * seconds };
    const cpuBeforeMs = process.cpuMs();
    const { latencies, failed, answered } = (await load.ask(request)) as LoadResult;
    const cpuMs = process.cpuMs() - cpuBeforeMs;
    results.push(
      { name, metric: 'rate', unit: '1/s', value: round(latencies.length / seconds) },
      { name, metric: 'CPU', unit: 'µs per operation', value: round((1_000 * cpuMs) / answered) },
      { name, metric: 'p50', unit: 'ms', value: round(percentile(latencies, 0.5)) },
      { name, metric: 'p99', unit: 'ms', value: round(percentile(latencies, 0.99)) },
      { name, metric: 'RSS', unit: 'MiB', value: round(process.rssBytes() / mebibyte) },
      { name, metric: 'subgraph requests', unit: 'per operation', value: perOperation },
      { name, metric: 'failed', unit: 'requests', value: failed },
    );
  }
  return results;
}

const countRequests = async (subgraphs: HelperProcess) => ((await subgraphs.ask({})) as { requests: number }).requests;

async function post(url: string, body: string): Promise<{ data?: unknown }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body,
  });
  return (await response.json()) as { data?: unknown };
}

async function checkAnswer(url: string, body: string, operation: string, answers: Map<string, string>): Promise<void> {
  const answer = JSON.stringify(sortKeys(await post(url, body)));
  const expected = answers.get(operation) ?? answer;
  answers.set(operation, expected);
  if (answer !== expected) throw new Error(`${url} answers ${operation} with ${answer}, and not with ${expected}`);
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, entry]) => [key, sortKeys(entry)]));
}

/**
 * Compares our gateway with every peer. The ratio of rates is our rate divided by the peer's. The ratio of CPU times is
 * the peer's CPU time divided by ours. On a busy machine the ratio of CPU times is more reliable than the ratio of
 * rates.
 */
function ratios(results: readonly Result[], contenders: readonly QueryContender[]): Result[] {
  const [own, ...others] = contenders;
  return others.flatMap(({ label, operations: names }) =>
    names.flatMap((operation) => {
      const name = `${operation}, ours to ${label}`;
      const ours = (metric: string) => figureOf(results, `${operation}, ${own?.label}`, metric);
      const theirs = (metric: string) => figureOf(results, `${operation}, ${label}`, metric);
      return [
        { name, metric: 'ratio', unit: 'times', value: round(ours('rate') / theirs('rate')) },
        { name, metric: 'CPU ratio', unit: 'times', value: round(theirs('CPU') / ours('CPU')) },
      ];
    }),
  );
}

function onOneCore(): Result {
  return { name: 'each gateway', metric: 'on one core', unit: '1 = yes', value: pinnedCore() === null ? 0 : 1 };
}
