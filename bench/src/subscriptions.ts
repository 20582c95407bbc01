import { inspect } from 'node:util';
import type { Contender } from './contender.ts';
import { measureSubscriptions, nameOf } from './measure-subscriptions.ts';
import { pinnedCore } from './measured-process.ts';
import { type OwnGateway, openOwnGateway } from './own-gateway.ts';
import { openPeers } from './peers/peers.ts';
import { atMost, type Bound, figureOf, type Report, type Result, round } from './report.ts';

const counts = (usual: readonly number[]) => process.env.BENCH_CONNECTIONS?.split(',').map(Number) ?? usual;
const ownCounts = counts([100, 1_000, 5_000, 10_000]);
const memoryCounts = counts([100, 1_000, 10_000]);
const topicCounts = counts([10_000]);
const rates = (process.env.BENCH_RATES ?? '200,1000').split(',').map(Number);
/** Long enough for some events to lie above the 99th percentile. */
const secondsAt = (rate: number) => Number(process.env.BENCH_SECONDS ?? Math.max(10, 4_000 / rate));
/** Not measured: a broker and a load that have only just started are slow, and whoever came first would bear it. */
const warmUp = { connections: 1_000, rates: [1_000], secondsAt: () => 30 };
const query = 'subscription { voucherReceived { cursor node { requestId code } } }';

/**
 * What an event and a connection cost a gateway: one process on one core, N WebSockets with a subscription and a phone
 * number each, and events at a steady rate, each for one of them. Ours on real Kafka and Redis, with tokens and
 * sessions; after it its peers, one by one, without: fed from the same topic, which is what ours is compared with, and
 * from their own memory, which shows what is left without a broker. A peer that fails is reported as such, and
 * does not end the run.
 */
export async function subscriptions(): Promise<Report> {
  const peers = await openPeers(process.env.BENCH_PEERS);
  const results: Result[] = [
    { name: 'each gateway', metric: 'on one core', unit: '1 = yes', value: pinnedCore() === null ? 0 : 1 },
  ];
  const bounds: Bound[] = [];
  {
    await using ownGateway = await openOwnGateway();
    const own = ownContender(ownGateway);
    console.log('Warming up…');
    await measureSubscriptions(own, warmUp);
    for (const connections of ownCounts) results.push(...(await measure(own, connections)));
    bounds.push(...ownBounds(own, results));
    for (const peer of peers.map(({ fromTopic }) => fromTopic(ownGateway))) {
      for (const connections of topicCounts) results.push(...(await measurePeer(peer, connections)));
      bounds.push(...betterThan(own, peer, results));
    }
  }
  for (const { fromMemory } of peers)
    for (const connections of memoryCounts) results.push(...(await measurePeer(fromMemory, connections)));
  return { results, bounds };
}

function ownContender({ start, signIn, publish }: OwnGateway): Contender {
  return {
    label: '',
    async start(clients) {
      const gateway = await start();
      const users = await signIn(clients);
      return {
        process: gateway,
        addressees: users,
        clientOptions: (index) => ({
          url: gateway.url,
          connectionInit: { authorization: users[index]?.token },
          subscribe: { query },
        }),
        publish,
        [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
      };
    },
  };
}

function measure(contender: Contender, connections: number): Promise<Result[]> {
  console.log(`${nameOf(contender, connections)}…`);
  return measureSubscriptions(contender, { connections, rates, secondsAt });
}

async function measurePeer(peer: Contender, connections: number): Promise<Result[]> {
  try {
    return await measure(peer, connections);
  } catch (error) {
    console.error(`${peer.label} failed: ${inspect(error)}`);
    return [{ name: nameOf(peer, connections), metric: 'failed', unit: '1 = yes', value: 1 }];
  }
}

function ownBounds(own: Contender, results: readonly Result[]): Bound[] {
  const figure = (metric: string, connections: number, rate?: number) =>
    figureOf(results, nameOf(own, connections, rate), metric);
  const bounds = ownCounts.flatMap((connections) =>
    rates.map((rate) => atMost(`${nameOf(own, connections, rate)}: missing`, figure('missing', connections, rate), 0)),
  );
  if (ownCounts.includes(5_000) && rates.includes(1_000))
    bounds.push(atMost('5,000 connections, 1,000/s, no backlog: p99', figure('p99', 5_000, 1_000), 1_000));
  if (!ownCounts.includes(10_000)) return bounds;
  bounds.push(atMost('10,000 connections: KiB a connection', figure('RSS a connection', 10_000), 15));
  if (!rates.includes(200)) return bounds;
  bounds.push(
    atMost('10,000 connections, 200/s: p50', figure('p50', 10_000, 200), 10),
    atMost('10,000 connections, 200/s: p99', figure('p99', 10_000, 200), 50),
  );
  if (ownCounts.includes(100)) {
    const ratio = figure('CPU an event', 10_000, 200) / figure('CPU an event', 100, 200);
    bounds.push(atMost('CPU an event, 10,000 connections to 100', round(ratio), 1.3));
  }
  return bounds;
}

/** Ours is no slower than the peer, where that carries the load at all. */
function betterThan(own: Contender, peer: Contender, results: readonly Result[]): Bound[] {
  const [connections, rate] = [10_000, 200];
  if (![ownCounts, topicCounts].every((all) => all.includes(connections)) || !rates.includes(rate)) return [];
  const theirs = nameOf(peer, connections, rate);
  const carries = figureOf(results, theirs, 'missing') === 0;
  return ['p50', 'p99'].map((metric) => {
    const limit = figureOf(results, theirs, metric);
    const value = figureOf(results, nameOf(own, connections, rate), metric);
    return { name: `better than ${theirs}: ${metric}`, limit, value, ok: value <= limit || !carries };
  });
}
