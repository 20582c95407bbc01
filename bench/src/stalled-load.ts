import { readFileSync } from 'node:fs';
import type { FlightTimes } from './flight-times.ts';
import type { MeasuredProcess } from './measured-process.ts';
import { latencies, mebibyte, percentile, type Result, round } from './report.ts';
import { type Publish, publishSteadily, within } from './steady-load.ts';
import { type Addressee, voucherEvent } from './voucher-event.ts';

const readersRate = 200;
const othersRate = 400;
const lateAfterMs = 10_000;
// An answer is large by its aliases, and not by its event: the topic and what is kept of it carry a small part.
const aliases = 64;
const codeBytes = 2_048;
const answerBytes = aliases * codeBytes;

/** A subscription whose answers have 128 KiB. */
export const largeAnswers = `subscription { voucherReceived { node { ${Array.from({ length: aliases }, (_, index) => `code${index}: code`).join(' ')} } } }`;

export interface StalledLoad {
  publish: Publish;
  gateway: MeasuredProcess;
  /** They get small events. */
  readers: readonly Addressee[];
  /** They subscribe to large answers. */
  others: readonly Addressee[];
  flights: FlightTimes;
}

/** What was measured while a load was published. */
export interface Phase {
  /** Of the readers' events. */
  timesMs: readonly number[];
  /** Events that have not come 10 s after the last. */
  missing: number;
  peakRssBytes: number;
  /** At its end. */
  rssBytes: number;
  /** Of one core, from 0 to 1. */
  cpuShare: number;
}

/** Publishes so many events to each of the others, in turn, and small ones to the readers all the while. */
export async function runPhase(
  { publish, gateway, readers, others, flights }: StalledLoad,
  answersEach: number,
): Promise<Phase> {
  const large = answersEach * others.length;
  const small = Math.ceil((large / othersRate) * readersRate);
  const inTurn = (addressees: readonly Addressee[], index: number) =>
    addressees[index % addressees.length] as Addressee;
  const longCode = 'x'.repeat(codeBytes);
  flights.begin();
  let peakRssBytes = 0;
  const sampler = setInterval(() => {
    peakRssBytes = Math.max(peakRssBytes, gateway.rssBytes());
  }, 200);
  const cpuBefore = gateway.cpuMs();
  const startedAt = performance.now();
  await Promise.all([
    publishSteadily(publish, {
      total: large,
      rate: othersRate,
      next: (index) => voucherEvent(inTurn(others, index), longCode),
    }),
    publishSteadily(publish, {
      total: small,
      rate: readersRate,
      next: (index) => voucherEvent(inTurn(readers, index), flights.stamp()),
    }),
  ]);
  const cpuShare = (gateway.cpuMs() - cpuBefore) / (performance.now() - startedAt);
  await within(lateAfterMs, () => flights.timesMs.length >= small);
  clearInterval(sampler);
  const missing = small - flights.timesMs.length;
  return { timesMs: flights.timesMs, missing, peakRssBytes, rssBytes: gateway.rssBytes(), cpuShare };
}

export function phaseResults(name: string, { timesMs, missing, peakRssBytes, rssBytes, cpuShare }: Phase): Result[] {
  return [
    ...latencies(name, timesMs),
    { name, metric: 'longest', unit: 'ms', value: round(percentile(timesMs, 1)) },
    { name, metric: 'missing', unit: 'events', value: missing },
    { name, metric: 'CPU', unit: '% of a core', value: round(cpuShare * 100) },
    { name, metric: 'peak RSS', unit: 'MiB', value: round(peakRssBytes / mebibyte) },
    { name, metric: 'RSS at the end', unit: 'MiB', value: round(rssBytes / mebibyte) },
  ];
}

/** As many answers as fill what the kernel holds of a connection at most, and the gateway's own buffer behind it. */
export function answersToFill(maxBufferedBytes: number): number {
  const kernel = (file: string) => readFileSync(`/proc/sys/net/ipv4/${file}`, 'utf8').trim().split(/\s+/).map(Number);
  // A receiver that reads nothing never has more than it begins with; a sender may have the most there is.
  const [, received = 0] = kernel('tcp_rmem');
  const [, , sent = 0] = kernel('tcp_wmem');
  return Math.ceil((received + sent + maxBufferedBytes) / answerBytes) + 2;
}
