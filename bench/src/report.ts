import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

export const mebibyte = 2 ** 20;

/** A measured figure. */
export interface Result {
  /** What was measured, such as `requestVoucher`. */
  name: string;
  /** Name of the figure, such as `p95`. */
  metric: string;
  unit: string;
  value: number;
}

/** A figure that must stay under a limit. */
export interface Bound {
  name: string;
  limit: number;
  value: number;
  ok: boolean;
}

export interface Report {
  results: Result[];
  bounds: Bound[];
}

/** Returns the percentile of samples by nearest rank, for a `share` of 0 to 1; NaN without samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Returns the median, p95 and p99 of latencies in milliseconds. */
export function latencies(name: string, samplesMs: readonly number[]): Result[] {
  return (
    [
      ['p50', 0.5],
      ['p95', 0.95],
      ['p99', 0.99],
    ] as const
  ).map(([metric, share]) => ({ name, metric, unit: 'ms', value: round(percentile(samplesMs, share)) }));
}

/** Creates a bound: the value of a result must be below `limit`. */
export function below(results: readonly Result[], name: string, metric: string, limit: number): Bound {
  const value = figureOf(results, name, metric);
  return { name: `${name} ${metric}`, limit, value, ok: value < limit };
}

/** Returns the value of a result; NaN if it was not measured. */
export function figureOf(results: readonly Result[], name: string, metric: string): number {
  return results.find((result) => result.name === name && result.metric === metric)?.value ?? Number.NaN;
}

/**
 * Combines repeated measurements into one result per figure: the median, or the maximum for missing and failed events.
 */
export function medians(results: readonly Result[]): Result[] {
  const figures = Map.groupBy(results, ({ name, metric }) => `${name}: ${metric}`);
  return [...figures.values()].flatMap(([first, ...others]) => {
    if (!first) return [];
    const values = [first, ...others].map(({ value }) => value);
    const isLoss = ['missing', 'never hear', 'failed'].includes(first.metric);
    return [{ ...first, value: percentile(values, isLoss ? 1 : 0.5) }];
  });
}

/** A bound that a figure may reach, but not exceed. */
export function atMost(name: string, value: number, limit: number): Bound {
  return { name, limit, value, ok: value <= limit };
}

/**
 * Prints the results and the bounds as tables, and writes `bench/results/<name>.json`. Returns whether every bound is
 * met.
 */
export function publish(name: string, startedAt: Date, { results, bounds }: Report): boolean {
  console.table(results);
  if (bounds.length > 0) console.table(bounds);
  const folder = new URL('../results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`${name}.json`, folder);
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: round(totalmem() / 2 ** 30),
    node: process.version,
  };
  writeFileSync(
    file,
    `${JSON.stringify({ commit, machine, startedAt: startedAt.toISOString(), results, bounds }, null, 2)}\n`,
  );
  console.log(`Written to ${fileURLToPath(file)}`);
  return bounds.every(({ ok }) => ok);
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
