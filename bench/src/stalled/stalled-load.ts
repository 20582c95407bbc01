import { readFileSync } from 'node:fs';
import type { FlightTimes } from '../load/flight-times.ts';
import { type Publish, publishSteadily, within } from '../load/steady-load.ts';
import { type Addressee, voucherEvent } from '../load/voucher-event.ts';
import type { MeasuredProcess } from '../processes/measured-process.ts';
import { latencies, mebibyte, percentile, type Result, round } from '../report.ts';

const readersRate = 200;
const othersRate = 400;
const lateAfterMs = 10_000;
// Aliases make the results large, while the messages in the topic stay small.
const aliases = 64;
const codeBytes = 2_048;
const answerBytes = aliases * codeBytes;

/** A subscription whose results have 128 KiB. */
export const largeAnswers = `subscription { voucherReceived { node { ${Array.from({ length: aliases }, (_, index) => `code${index}: code`).join(' ')} } } }`;

export interface StalledLoad {
  publish: Publish;
  gateway: MeasuredProcess;
  /** Clients that get small events and never stop reading. */
  readers: readonly Addressee[];
  /** Clients with large results. */
  others: readonly Addressee[];
  flights: FlightTimes;
}

/** The measurements of a phase. */
export interface Phase {
  /** Latencies of the readers' events. */
  timesMs: readonly number[];
  /** Events that have not arrived 10 s after the last one was sent. */
  missing: number;
  peakRssBytes: number;
  /** RSS at the end of the phase. */
  rssBytes: number;
  /** CPU as a share of one core, from 0 to 1. */
  cpuShare: number;
}

/**
 * Publishes large events to `others` and at the same time small events to `readers`. In each group, the events go to
 * one client after the other.
 */
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

/** Returns the number of results that fill all buffers of a connection: those of the kernel and that of the gateway. */
export function answersToFill(maxBufferedBytes: number): number {
  const kernel = (file: string) => readFileSync(`/proc/sys/net/ipv4/${file}`, 'utf8').trim().split(/\s+/).map(Number);
  // Each file has three numbers: the minimum, default and maximum size of a buffer. A stalled reader's receive buffer
  // keeps the default size. The gateway's send buffer may grow to the maximum size.
  const [, received = 0] = kernel('tcp_rmem');
  const [, , sent = 0] = kernel('tcp_wmem');
  return Math.ceil((received + sent + maxBufferedBytes) / answerBytes) + 2;
}
