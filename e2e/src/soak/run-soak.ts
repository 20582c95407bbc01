import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import type { ServiceName } from '@voucher-gateway/standalone/distributed';
import { type Recorder, type SoakClient, startClient } from './clients/client.ts';
import { type Check, checkLedger, type Ledger, type ReceivedCallback } from './clients/ledger.ts';
import { runLoad } from './clients/load.ts';
import { readFailed, readSold, readStored } from './clients/read-ledger.ts';
import { type Receivers, startReceivers } from './clients/receivers.ts';
import { runSchedule } from './faults/run-schedule.ts';
import { createSchedule, type Due, type FaultName, restartingFaults } from './faults/schedule.ts';
import { areGroupsWhole, checkFinalState, findUnhealthy } from './system/final-state.ts';
import { type MemoryGrowth, measureGrowth } from './system/memory.ts';
import { sampleMemory } from './system/sample-memory.ts';
import { type SoakSystem, startSoakSystem } from './system/soak-system.ts';

export interface SoakOptions {
  durationMs: number;
  seed: string;
  /** Folder for data and logs, which the caller removes. */
  folder: string;
  logFile: string;
  /** Rate of requests. Default: 50. */
  requestsPerSecond?: number;
  /** Interval of faults. Default: 20 s. */
  everyMs?: number;
  /** The faults to choose from. Default: all. */
  faults?: readonly FaultName[];
  /** Folder of the installation whose services are started. Default: this repository. */
  installation?: string;
  ports?: Partial<Record<ServiceName, number>>;
  /** Prints a line of progress. Default: nothing is printed. */
  say?(line: string): void;
}

export interface SoakReport {
  checks: readonly Check[];
  schedule: readonly Due[];
  memory: readonly MemoryGrowth[];
  requests: number;
  accepted: number;
  /** Number of requests that were not sent, because too many requests had no response yet. */
  skipped: number;
  /** Number of retried requests, by error code. */
  repeats: ReadonlyMap<string, number>;
  /** Length of the load. */
  loadSeconds: number;
  /** Time from the end of the load until everything had arrived. */
  settleSeconds: number;
}

const clientCount = 50;
const progressEveryMs = 10_000;
/**
 * If no callback and no event arrives for this time, missing callbacks and events count as lost. The time is long,
 * because the jobs of a killed process are retried only after a minute.
 */
const quietMs = 180_000;
/** Time to wait for the storing of vouchers, after the callbacks and events have arrived. */
const storedWithinMs = 90_000;
/**
 * Time to wait for responses after the load. After this time, a request without a response counts as never answered.
 */
const answeredWithinMs = 300_000;
const giveUpAfterMs = 3_600_000;
const healthyWithinMs = 90_000;
const warmUpMs = 60_000;
/** Memory growth is checked only in runs of at least this length, without faults that restart processes. */
const memoryFromMs = 600_000;
const maxGrowth = 0.1;

/** Runs the distributed stack under load and faults, and checks from outside that it keeps its promises. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { durationMs, seed, requestsPerSecond = 50, everyMs = 20_000, say = () => {}, ...rest } = options;
  await using releases = new AsyncDisposableStack();
  const system = releases.use(await startSoakSystem(rest));
  const receivers = releases.use(await startReceivers());
  const recorder: Recorder = { requests: [], streamed: [], repeats: new Map() };
  const ending = new AbortController();
  let turn = 0;
  const nextGateway = () => system.gatewayUrls[turn++ % system.gatewayUrls.length] as string;
  const clients: SoakClient[] = [];
  for (let index = 0; index < clientCount; index += 1) {
    const client = await startClient(index, { nextGateway, receivers, recorder, signal: ending.signal });
    clients.push(releases.use(client));
  }
  // When the soak ends, `ending` is aborted before the clients are disposed. So clients stop retrying before they are
  // disposed.
  releases.defer(() => ending.abort());
  const complaints: string[] = [];
  const context = {
    system,
    killed: 0,
    hangReceiver: (isHanging: boolean) => receivers.hang(clients[0]?.phoneNumber ?? '', isHanging),
    complain: (what: string) => void complaints.push(what),
  };

  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1_000);
  const tell = (what: string) => say(`${String(seconds()).padStart(5)} s  ${what}`);
  const schedule = createSchedule({ seed, durationMs, everyMs, names: options.faults });
  const samples = sampleMemory(system.processes);
  const faults = runSchedule(schedule, context, tell);
  const arrivals = watchArrivals({ recorder, receivers });
  const progress = setInterval(() => tell(arrivals.describe()), progressEveryMs);
  releases.defer(() => clearInterval(progress));

  const load = await runLoad({ clients, requestsPerSecond, durationMs, complain: context.complain });
  const loadSeconds = seconds();
  tell('the load is over');
  await faults.done;
  samples.stop();
  const giveUp = setTimeout(() => ending.abort(new Error('the system answers nobody any more')), giveUpAfterMs);
  releases.defer(() => clearTimeout(giveUp));
  await Promise.race([load.answered, sleep(answeredWithinMs, undefined, { signal: ending.signal })]);
  await arrivals.untilAllOrQuiet(quietMs);
  await untilTrue(
    healthyWithinMs,
    async () => (await findUnhealthy(system)).length === 0 && (await areGroupsWhole(system)),
  );
  const ledger = await readLedger(system, clients, { recorder, receivers });
  const settleSeconds = seconds() - loadSeconds;

  const areRestarted = schedule.some(({ fault }) => restartingFaults.includes(fault));
  // The simulated provider is left out, because it keeps all orders in memory and is not part of the product.
  const memory = measureGrowth(
    samples.taken.filter(({ name }) => name !== 'vps-mock'),
    warmUpMs,
  );
  return {
    checks: [
      ...checkLedger(ledger),
      ...(await checkFinalState(system, options.logFile)),
      {
        promise: '-',
        title: 'faults, restarts and clients with an unexpected error',
        checked: schedule.length,
        broken: complaints,
      },
      ...(durationMs >= memoryFromMs && !areRestarted ? [checkMemory(memory)] : []),
    ],
    schedule,
    memory,
    requests: recorder.requests.length,
    accepted: recorder.requests.filter(({ ids }) => ids.length > 0).length,
    skipped: load.skipped,
    repeats: recorder.repeats,
    loadSeconds,
    settleSeconds,
  };
}

function checkMemory(memory: readonly MemoryGrowth[]): Check {
  const grown = memory.filter(({ growth }) => growth > maxGrowth);
  return {
    promise: '-',
    title: 'processes whose memory grew by more than 10 % once they were warm',
    checked: memory.length,
    broken: grown.map(({ name, fromMiB, toMiB }) => `${name}: ${Math.round(fromMiB)} to ${Math.round(toMiB)} MiB`),
  };
}

/** Reads the stored vouchers, once all are stored. */
async function readLedger(system: SoakSystem, clients: readonly SoakClient[], { recorder, receivers }: Outside) {
  const accepted = new Set(recorder.requests.flatMap(({ ids }) => ids));
  const read = async (): Promise<Ledger> => {
    const stored = (await Promise.all(clients.map(readStored))).flat();
    const ended = new Set(stored.map(({ requestId }) => requestId));
    const open = recorder.requests.filter(({ ids: [id] }) => id !== undefined && !ended.has(id));
    return {
      requests: recorder.requests,
      sold: await readSold(system.stack.vpsUrl),
      callbacks: receivers.calls,
      streamed: recorder.streamed,
      stored,
      failed: await readFailed(clients, open),
    };
  };
  let ledger = await read();
  await untilTrue(storedWithinMs, async () => {
    if (ledger.stored.length + ledger.failed.length >= accepted.size) return true;
    ledger = await read();
    return false;
  });
  return ledger;
}

interface Outside {
  recorder: Recorder;
  receivers: Receivers;
}

/** Counts the callbacks and events that arrive for accepted requests. */
function watchArrivals({ recorder, receivers }: Outside) {
  const calledBack = new Set<string>();
  const seen = new Set<string>();
  const note = ({ requestId, isTaken, type }: ReceivedCallback) => {
    if (isTaken) calledBack.add(requestId);
    // A failed request counts as seen, because the subscription to vouchers sends no event for a failure.
    if (type === 'voucher.failed') seen.add(requestId);
  };
  receivers.onCall(note);
  receivers.calls.forEach(note);
  let streamed = 0;
  const acceptedIds = () => recorder.requests.flatMap(({ ids: [id] }) => (id === undefined ? [] : [id]));
  const hasAll = () => {
    for (; streamed < recorder.streamed.length; streamed += 1) seen.add(recorder.streamed[streamed]?.requestId ?? '');
    return acceptedIds().every((id) => calledBack.has(id) && seen.has(id));
  };
  const waiting = () => recorder.requests.filter(({ ids, refusal }) => ids.length === 0 && !refusal).length;
  return {
    describe: () =>
      `accepted ${acceptedIds().length}, unanswered ${waiting()}, called back ${calledBack.size}, seen live ${recorder.streamed.length}`,
    async untilAllOrQuiet(quietMs: number) {
      const progress = () => receivers.calls.length + recorder.streamed.length;
      await waitFor(hasAll, { withinMs: quietMs, everyMs: 200, progress });
    },
  };
}

async function untilTrue(withinMs: number, isTrue: () => Promise<boolean>): Promise<void> {
  await waitFor(() => isTrue().catch(() => false), { withinMs, everyMs: 1_000 });
}
