import { createFlightTimes } from '../load/flight-times.ts';
import { openClients } from '../load/load-client.ts';
import { openOwnGateway } from '../processes/own-gateway.ts';
import { atMost, percentile, type Report, type Result, round } from '../report.ts';
import { type Attackers, startAttackers } from './attackers.ts';
import type { AttackersTally, AttackName } from './attackers-process.ts';
import { type GoodLoad, type GoodPhase, goodResults, runGoodPhase, startQuickSubgraph } from './hostile-load.ts';

const attackers = Number(process.env.BENCH_CONNECTIONS ?? 1_000);
const seconds = Number(process.env.BENCH_SECONDS ?? 30);
const subscribers = 100;
const warmUpSeconds = 8;
/** Attacks whose name contains BENCH_ATTACK. Default: all. */
const attacks: readonly AttackName[] = (
  [
    'a header byte a second',
    'the same operation at the limit a second',
    'a new operation at the limit a second',
  ] as const
).filter((attack) => attack.includes(process.env.BENCH_ATTACK ?? ''));

/**
 * Measures how a thousand attackers affect well-behaved clients: latencies of their queries and events, with and
 * without attackers. The gateway has its default limits. The attackers get only the CPU time that the gateway and the
 * well-behaved clients leave, as if they ran on other machines. If the attackers lack CPU time, they send data late. If
 * too much data is late, a bound fails.
 */
export async function hostile(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  const ownGateway = releases.use(await openOwnGateway());
  const subgraph = releases.use(await startQuickSubgraph());
  const gateway = releases.use(
    await ownGateway.start(
      {
        MAX_CONNECTIONS_PER_ADDRESS: '2000',
        MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: '200',
        MAX_HTTP_CONNECTIONS_PER_ADDRESS: '2000',
        SUBGRAPH_USER_URL: subgraph.url,
        SUBGRAPH_VOUCHER_URL: subgraph.url,
        LOG_LEVEL: 'fatal',
      },
      // The gateway may use several cores: the planner's thread and the garbage collector run in parallel to the main
      // thread.
      { pinned: false },
    ),
  );
  const [querier, ...users] = await ownGateway.signIn(subscribers + 1);
  if (!querier) throw new Error('nobody is signed in');
  const flights = createFlightTimes();
  const clients = await openClients(
    users.map(({ token }) => ({
      url: gateway.url,
      connectionInit: { authorization: token },
      subscribe: { query: 'subscription { voucherReceived { cursor node { code } } }' },
      onNext: (message) => flights.arrived(JSON.parse(String(message)).payload.data.voucherReceived.node.code),
    })),
  );
  for (const client of clients) if (client) releases.use(client);
  const load: GoodLoad = {
    gateway,
    token: querier.token,
    publish: ownGateway.publish,
    subscribers: users,
    flights,
  };

  await runGoodPhase(load, warmUpSeconds);
  const before = await runGoodPhase(load, seconds);
  const results: Result[] = goodResults('alone, before', before);
  const attacked: [AttackName, AttackedPhase][] = [];
  for (const attack of attacks) attacked.push([attack, await runAttacked(load, attack, results)]);
  // Right after the attack, the gateway still reads and refuses the data in the buffers of the attackers' sockets.
  results.push(...goodResults('right after', await runGoodPhase(load, seconds)));

  const p99 = (samples: readonly number[]) => percentile(samples, 0.99);
  const alone = {
    queries: p99(before.queriesMs),
    events: p99(before.eventsMs),
  };
  return {
    results,
    bounds: attacked.flatMap(([attack, phase]) => {
      const name = (what: string) => `${what}, beside ${attackers} that send ${attack}`;
      return [
        atMost(name("queries' p99 to that without"), round(p99(phase.queriesMs) / alone.queries), 2),
        atMost(name("events' p99 to that without"), round(p99(phase.eventsMs) / alone.events), 2),
        atMost(name('queries that failed'), phase.failed, 0),
        atMost(name('events that are missing'), phase.missing, 0),
        atMost(name("% of the attackers' sends that were late"), round((100 * phase.late) / phase.sent), 1),
      ];
    }),
  };
}

type AttackedPhase = GoodPhase & Pick<AttackersTally, 'sent' | 'late'>;

/** Runs the load of the well-behaved clients during an attack. */
async function runAttacked(load: GoodLoad, attack: AttackName, results: Result[]): Promise<AttackedPhase> {
  await using attacking: Attackers = await startAttackers({ url: load.gateway.url, attack, count: attackers });
  // This phase is a warm-up, after which all attackers are connected.
  await runGoodPhase(load, warmUpSeconds);
  const earlier = await attacking.tally();
  const phase = await runGoodPhase(load, seconds);
  const later = await attacking.tally();
  const name = `beside ${attackers} that send ${attack}`;
  results.push(...goodResults(name, phase));
  const during = (metric: keyof AttackersTally) => later[metric] - earlier[metric];
  for (const metric of ['opened', 'sent', 'late', 'answered'] as const)
    results.push({ name, metric, unit: 'by attackers', value: during(metric) });
  return { ...phase, sent: during('sent'), late: during('late') };
}
