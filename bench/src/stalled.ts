import { setTimeout as sleep } from 'node:timers/promises';
import { createFlightTimes } from './flight-times.ts';
import { openClients } from './load-client.ts';
import { openOwnGateway } from './own-gateway.ts';
import { atMost, mebibyte, percentile, type Report, round } from './report.ts';
import { answersToFill, largeAnswers, type Phase, phaseResults, runPhase, type StalledLoad } from './stalled-load.ts';
import { openStallingReaders } from './stalling-readers.ts';

const connections = Number(process.env.BENCH_CONNECTIONS ?? 2_000);
const half = Math.floor(connections / 2);
/** The gateway's default. */
const maxBufferedBytes = 262_144;
const warmUpAnswers = 8;
const settleMs = 5_000;
const smallAnswers = 'subscription { voucherReceived { cursor node { code } } }';

/**
 * Half of a gateway's clients stop reading, and are sent so much that the kernel's buffers and then the gateway's are
 * full. What the other half notices, beside the same load while all read; what the gateway holds meanwhile; and
 * whether each that stalls is cut off.
 */
export async function stalled(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  const ownGateway = releases.use(await openOwnGateway());
  const tooSlow: number[] = [];
  const gateway = releases.use(
    await ownGateway.start({ LOG_LEVEL: 'info' }, (line) => {
      const bufferedBytes = /"bufferedBytes":(\d+)/.exec(line)?.[1];
      if (bufferedBytes !== undefined) tooSlow.push(Number(bufferedBytes));
      else if (!line.includes('"level":"info"')) console.error(line);
    }),
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
  /** A phase in which the others read, too; what is missing to them counts. */
  const allReading = async (answersEach: number): Promise<Phase> => {
    await using reading = await openOthers();
    await runPhase(load, warmUpAnswers);
    const phase = await runPhase(load, answersEach);
    const missingToOthers = await reading.missing((warmUpAnswers + answersEach) * half);
    return { ...phase, missing: phase.missing + missingToOthers };
  };
  const answersEach = answersToFill(maxBufferedBytes);

  // Half of it before and half of it after, so that what changes with time weighs the same on both sides.
  const before = await allReading(Math.ceil(answersEach / 2));
  await sleep(settleMs);
  // New others: the more was read of a connection, the more the kernel holds of it.
  const stalling = releases.use(await openOthers());
  await stalling.stall();
  const openFiles = gateway.openFiles();
  const during = await runPhase(load, answersEach);
  await sleep(settleMs);
  // Never more than they are: another connection of the gateway may have ended, too.
  const gone = Math.min(half, openFiles - gateway.openFiles());
  await stalling[Symbol.asyncDispose]();
  const after = await allReading(Math.floor(answersEach / 2));

  const stalledName = `${half} of ${2 * half} stalled`;
  const p99 = (...phases: Phase[]) =>
    percentile(
      phases.flatMap(({ timesMs }) => timesMs),
      0.99,
    );
  const moreMiB = (rssBytes: number) => round((rssBytes - before.peakRssBytes) / mebibyte);
  return {
    results: [
      ...phaseResults(`all ${2 * half} read`, before),
      ...phaseResults(stalledName, during),
      { name: stalledName, metric: 'closed as TOO_SLOW', unit: 'connections', value: tooSlow.length },
      { name: stalledName, metric: 'most buffered for one', unit: 'KiB', value: round(percentile(tooSlow, 1) / 1_024) },
      { name: stalledName, metric: 'gone', unit: 'connections', value: gone },
      ...phaseResults(`all ${2 * half} read again`, after),
    ],
    bounds: [
      atMost("readers' p99, while half are stalled to while all read", round(p99(during) / p99(before, after)), 1.5),
      atMost('missing to anybody before', before.missing, 0),
      atMost('missing to the readers while half are stalled', during.missing, 0),
      atMost('missing to anybody after', after.missing, 0),
      atMost('stalled that were not closed as TOO_SLOW', half - tooSlow.length, 0),
      atMost('stalled that are not gone', half - gone, 0),
      atMost(
        'MiB more while half are stalled',
        moreMiB(during.peakRssBytes),
        round((half * maxBufferedBytes) / mebibyte),
      ),
      atMost('MiB more once all read again', moreMiB(after.rssBytes), 64),
    ],
  };
}
