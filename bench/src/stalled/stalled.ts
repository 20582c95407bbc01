import { setTimeout as sleep } from 'node:timers/promises';
import { createFlightTimes } from '../load/flight-times.ts';
import { openClients } from '../load/load-client.ts';
import { openOwnGateway } from '../processes/own-gateway.ts';
import { atMost, type Bound, mebibyte, percentile, type Report, type Result, round } from '../report.ts';
import { answersToFill, largeAnswers, type Phase, phaseResults, runPhase, type StalledLoad } from './stalled-load.ts';
import { openStallingReaders } from './stalling-readers.ts';

const connections = Number(process.env.BENCH_CONNECTIONS ?? 2_000);
const half = Math.floor(connections / 2);
/** The gateway's default limit. */
const maxBufferedBytes = 262_144;
const warmUpAnswers = 8;
const settleMs = 5_000;
const smallAnswers = 'subscription { voucherReceived { cursor node { code } } }';

/**
 * Half of a gateway's clients stop reading, and get enough events to fill the buffers of the kernel and of the gateway.
 * Measures, twice:
 *
 * - latencies of the other half, compared with the same load while all clients read
 * - memory of the gateway while clients stall, and whether it is released
 * - whether each stalled client is disconnected
 */
export async function stalled(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  const ownGateway = releases.use(await openOwnGateway());
  const tooSlow: number[] = [];
  const gateway = releases.use(
    await ownGateway.start(
      { LOG_LEVEL: 'info' },
      {
        onLog: (line) => {
          const bufferedBytes = /"bufferedBytes":(\d+)/.exec(line)?.[1];
          if (bufferedBytes !== undefined) tooSlow.push(Number(bufferedBytes));
          else if (!line.includes('"level":"info"')) console.error(line);
        },
      },
    ),
  );
  const [readers, others] = [await ownGateway.signIn(half), await ownGateway.signIn(half)];
  const flights = createFlightTimes();
  const clients = await openClients(
    readers.map(({ token }) => ({
      url: gateway.url,
      connectionInit: { authorization: token },
      subscribe: { query: smallAnswers },
      onNext: (message) => flights.arrived(JSON.parse(String(message)).payload.data.voucherReceived.node.code),
    })),
  );
  for (const client of clients) if (client) releases.use(client);
  const load: StalledLoad = { publish: ownGateway.publish, gateway, readers, others, flights };
  const openOthers = () =>
    openStallingReaders({ url: gateway.url, query: largeAnswers, tokens: others.map(({ token }) => token) });
  /**
   * Runs a phase in which all clients read. `missing` counts the events that did not arrive, both at `readers` and at
   * `others`.
   */
  const allReading = async (answersEach: number): Promise<Phase> => {
    await using reading = await openOthers();
    await runPhase(load, warmUpAnswers);
    const phase = await runPhase(load, answersEach);
    const missingToOthers = await reading.missing((warmUpAnswers + answersEach) * half);
    return { ...phase, missing: phase.missing + missingToOthers };
  };
  const answersEach = answersToFill(maxBufferedBytes);
  /**
   * Runs a phase in which half of the clients stall. The stalled clients use new connections, because the kernel
   * enlarges the buffer of a connection from which much was read.
   */
  const othersStalled = async (): Promise<Stall> => {
    tooSlow.length = 0;
    await using stalling = await openOthers();
    await stalling.stall();
    const openFiles = gateway.openFiles();
    const phase = await runPhase(load, answersEach);
    await sleep(settleMs);
    return {
      ...phase,
      bufferedBytes: [...tooSlow],
      // At most `half`, the number of stalled clients, because the gateway may also have closed files that are not
      // their connections.
      gone: Math.min(half, openFiles - gateway.openFiles()),
      settledRssBytes: gateway.rssBytes(),
    };
  };

  // The phases alternate, so that changes over time affect both sides equally.
  const firstRead = await allReading(Math.ceil(answersEach / 2));
  await sleep(settleMs);
  const firstStall = await othersStalled();
  const secondRead = await allReading(Math.floor(answersEach / 2));
  await sleep(settleMs);
  const secondStall = await othersStalled();

  const readName = `all ${2 * half} read`;
  const stalledName = `${half} of ${2 * half} stalled`;
  return {
    results: [
      ...phaseResults(readName, firstRead),
      ...stallResults(stalledName, firstStall),
      ...phaseResults(`${readName} again`, secondRead),
      ...stallResults(`${stalledName} again`, secondStall),
    ],
    bounds: [
      atMost(
        "readers' p99, while half are stalled to while all read",
        round(p99([firstStall, secondStall]) / p99([firstRead, secondRead])),
        1.5,
      ),
      atMost('missing to anybody, first time', firstRead.missing, 0),
      atMost('missing to anybody, second time', secondRead.missing, 0),
      ...stallBounds('first time', firstRead, firstStall),
      ...stallBounds('second time', secondRead, secondStall),
      atMost(
        'MiB more once the second are gone than once the first were',
        moreMiB(secondStall.settledRssBytes, firstStall.settledRssBytes),
        64,
      ),
    ],
  };
}

/** The measurements of a phase in which half of the clients stall. */
interface Stall extends Phase {
  /** Buffered bytes of each connection that was closed with TOO_SLOW. */
  bufferedBytes: readonly number[];
  /** Number of connections that the gateway has closed. */
  gone: number;
  /** RSS `settleMs` after the phase, when the stalled connections are closed. */
  settledRssBytes: number;
}

function stallResults(name: string, stall: Stall): Result[] {
  return [
    ...phaseResults(name, stall),
    { name, metric: 'closed as TOO_SLOW', unit: 'connections', value: stall.bufferedBytes.length },
    { name, metric: 'most buffered for one', unit: 'KiB', value: round(percentile(stall.bufferedBytes, 1) / 1_024) },
    { name, metric: 'gone', unit: 'connections', value: stall.gone },
    { name, metric: 'RSS once they are gone', unit: 'MiB', value: round(stall.settledRssBytes / mebibyte) },
  ];
}

/** The bounds of a phase in which half of the clients stall, compared with the phase before it. */
function stallBounds(time: string, before: Phase, stall: Stall): Bound[] {
  return [
    atMost(`missing to the readers while half are stalled, ${time}`, stall.missing, 0),
    atMost(`stalled that were not closed as TOO_SLOW, ${time}`, half - stall.bufferedBytes.length, 0),
    atMost(`stalled that are not gone, ${time}`, half - stall.gone, 0),
    atMost(
      `MiB more while half are stalled, ${time}`,
      moreMiB(stall.peakRssBytes, before.peakRssBytes),
      round((half * maxBufferedBytes) / mebibyte),
    ),
  ];
}

function p99(phases: readonly Phase[]): number {
  return percentile(
    phases.flatMap(({ timesMs }) => timesMs),
    0.99,
  );
}

function moreMiB(bytes: number, thanBytes: number): number {
  return round((bytes - thanBytes) / mebibyte);
}
