import { inspect } from 'node:util';
import { type MeasuredProcess, pinnedCore } from '../processes/measured-process.ts';
import { type OwnGateway, openOwnGateway } from '../processes/own-gateway.ts';
import { atMost, type Bound, figureOf, medians, type Report, type Result, round } from '../report.ts';
import type { Contender } from './contender.ts';
import { measureSubscriptions, nameOf } from './measure-subscriptions.ts';
import { openPeers } from './peers.ts';

const counts = (usual: readonly number[]) => process.env.BENCH_CONNECTIONS?.split(',').map(Number) ?? usual;
const ownCounts = counts([100, 1_000, 5_000, 10_000]);
const memoryCounts = counts([100, 1_000, 10_000]);
const rates = (process.env.BENCH_RATES ?? '200,1000').split(',').map(Number);
/** The load at which gateways are compared. */
const compared = { connections: 10_000, rate: 200 };
/** Number of rounds. In each round every compared gateway is measured once. */
const turns = Number(process.env.BENCH_TURNS ?? 3);
const comparedRates = rates.filter((rate) => rate === compared.rate);
/**
 * Seconds for which a rate is measured. The time is long enough for several thousand events, as the 99th percentile
 * needs.
 */
const secondsAt = (rate: number) => Number(process.env.BENCH_SECONDS ?? Math.max(10, 4_000 / rate));
/** A warm-up without results: a new broker and load generator are slow, which would disadvantage the first gateway. */
const warmUp = { connections: 1_000, rates: [1_000], secondsAt: () => 60 };
const query = 'subscription { voucherReceived { cursor node { requestId code } } }';

/**
 * Measures the cost of events and connections. One gateway process runs on one core, and many WebSockets are connected.
 * Each WebSocket has one subscription, for its own phone number. Events are published at a steady rate, and each event
 * is for one WebSocket.
 *
 * Our gateway runs on real Kafka and Redis, and checks tokens and sessions; its peers check neither. Each gateway is
 * measured twice: with events from Kafka, and with events from memory. All gateways read the same Kafka topic. The
 * comparison has several rounds, and each figure is the median of all rounds. This reduces the effect of other load on
 * the machine. A peer that fails is reported, and does not end the run.
 */
export async function subscriptions(): Promise<Report> {
  const peers = await openPeers(process.env.BENCH_PEERS);
  await using ownGateway = await openOwnGateway();
  const { own, ownFromMemory } = ownContenders(ownGateway);
  console.log('Warming up…');
  await measureSubscriptions(own, warmUp);
  const results: Result[] = [
    { name: 'each gateway', metric: 'on one core', unit: '1 = yes', value: pinnedCore() === null ? 0 : 1 },
  ];
  for (const connections of ownCounts)
    if (connections !== compared.connections) results.push(...(await measure(own, connections)));
  const fromTopic = [own, ...peers.map((peer) => peer.fromTopic(ownGateway))];
  if (ownCounts.includes(compared.connections)) results.push(...(await measureInTurns(fromTopic)));
  const fromMemory = [ownFromMemory, ...peers.map((peer) => peer.fromMemory)];
  for (const connections of memoryCounts)
    if (connections !== compared.connections)
      for (const contender of fromMemory) results.push(...(await measure(contender, connections)));
  if (memoryCounts.includes(compared.connections)) results.push(...(await measureInTurns(fromMemory)));
  return {
    results,
    bounds: [
      ...ownBounds(own, results),
      ...betterThanOthers(fromTopic, results),
      ...betterThanOthers(fromMemory, results),
    ],
  };
}

function ownContenders({ start, startFromMemory, signIn, publish }: OwnGateway) {
  const contender = (label: string, startProcess: () => Promise<MeasuredProcess>, fromTopic: boolean): Contender => ({
    label,
    isOurs: true,
    async start(clients) {
      const gateway = await startProcess();
      const users = await signIn(clients);
      return {
        process: gateway,
        addressees: users,
        clientOptions: (index) => ({
          url: gateway.url,
          connectionInit: { authorization: users[index]?.token },
          subscribe: { query },
        }),
        publish: fromTopic ? publish : (events) => gateway.send(events),
        [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
      };
    },
  });
  return {
    own: contender('', start, true),
    ownFromMemory: contender('from memory', startFromMemory, false),
  };
}

async function measure(contender: Contender, connections: number, at = rates): Promise<Result[]> {
  console.log(`${nameOf(contender, connections)}…`);
  try {
    return await measureSubscriptions(contender, { connections, rates: at, secondsAt });
  } catch (error) {
    if (contender.isOurs) throw error;
    console.error(`${contender.label} failed: ${inspect(error)}`);
    return [{ name: nameOf(contender, connections), metric: 'failed', unit: '1 = yes', value: 1 }];
  }
}

/**
 * Measures all compared gateways once per round. A new broker gets faster during its first minutes, so each round
 * starts with a different gateway. Only the rate `compared.rate` is measured in every round, and other rates in the
 * first round.
 */
async function measureInTurns(contenders: readonly Contender[]): Promise<Result[]> {
  const results: Result[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const first = turn % contenders.length;
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)])
      results.push(...(await measure(contender, compared.connections, turn === 0 ? rates : comparedRates)));
  }
  return medians(results);
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

/**
 * Creates the bounds for the latencies of our gateway. Our latencies must not be higher than those of any peer. A peer
 * that loses events at this load is no limit for ours.
 */
function betterThanOthers([ours, ...others]: readonly Contender[], results: readonly Result[]): Bound[] {
  const { connections, rate } = compared;
  if (!ours || !ownCounts.includes(connections) || !rates.includes(rate)) return [];
  return others.flatMap((other) => {
    const theirs = nameOf(other, connections, rate);
    const carries = figureOf(results, theirs, 'missing') === 0;
    return ['p50', 'p99'].map((metric) => {
      const limit = figureOf(results, theirs, metric);
      const value = figureOf(results, nameOf(ours, connections, rate), metric);
      return { name: `no slower than ${theirs}: ${metric}`, limit, value, ok: value <= limit || !carries };
    });
  });
}
