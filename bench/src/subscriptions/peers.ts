import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { freePort } from '@voucher-gateway/standalone/engines/process';
import type { Publish } from '../load/steady-load.ts';
import { installPeers, peersFolder, versionOf } from '../processes/install-peers.ts';
import { type MeasuredProcess, startMeasured } from '../processes/measured-process.ts';
import type { Contender } from './contender.ts';

const query =
  'subscription ($phoneNumber: String!) { voucherReceived(phoneNumber: $phoneNumber) { cursor node { requestId code } } }';
const script = (name: string) => join(peersFolder, name);

/** The Kafka topic from which peers read events. */
export interface TopicFeed {
  /** Comma-separated `host:port`. */
  brokers: string;
  publish: Publish;
}

/** A gateway to compare with. A peer has less work than our gateway, because it checks no tokens. */
export interface Peer {
  fromMemory: Contender;
  fromTopic(feed: TopicFeed): Contender;
}

/**
 * A peer's processes. The process `source` gets the benchmark's events, and publishes them to the peer's in-memory
 * pubsub.
 */
interface PeerProcesses {
  gateway: MeasuredProcess;
  source: MeasuredProcess;
}

interface PeerDefinition {
  label(): string;
  start(sourceEnvironment: Record<string, string>, releases: AsyncDisposableStack): Promise<PeerProcesses>;
}

const definitions: Record<string, PeerDefinition> = {
  hive: {
    label: () => `Hive Gateway ${versionOf('@graphql-hive/gateway')}`,
    async start(environment, releases) {
      const port = await freePort(0);
      const cli = script('node_modules/@graphql-hive/gateway/dist/bin.js');
      const listening = ['--host', '127.0.0.1', '--port', String(port)];
      const gateway = await startMeasured({
        name: 'Hive Gateway',
        args: ['--no-deprecation', cli, 'supergraph', '--config-path', script('hive.config.js'), ...listening],
        environment,
        port,
        readyPath: '/readiness',
        pinned: true,
        takesMessages: true,
      });
      return { gateway: releases.use(gateway), source: gateway };
    },
  },
  mercurius: {
    label: () => `Mercurius ${versionOf('mercurius')}`,
    async start(environment, releases) {
      const start = async (file: string, environment: Record<string, string>, pinned: boolean) => {
        const port = await freePort(0);
        const common = { name: file, args: [script(file)], port, readyPath: '/ready', pinned, takesMessages: !pinned };
        return releases.use(await startMeasured({ ...common, environment: { PORT: String(port), ...environment } }));
      };
      const source = await start('mercurius-subgraph.js', environment, false);
      return { source, gateway: await start('mercurius-gateway.js', { SUBGRAPH_URL: source.url }, true) };
    },
  },
};

/**
 * Opens the peers, which are installed if needed.
 *
 * @param selected comma-separated names. Undefined selects all peers, and an empty text selects none.
 */
export async function openPeers(selected: string | undefined): Promise<Peer[]> {
  const names = selected?.split(',').filter(Boolean) ?? Object.keys(definitions);
  const unknown = names.find((name) => !definitions[name]);
  if (unknown) throw new Error(`BENCH_PEERS: ${unknown} is none of ${Object.keys(definitions).join(', ')}`);
  if (names.length > 0) await installPeers();
  return names.flatMap((name) => definitions[name] ?? []).map(peer);
}

function peer({ label, start }: PeerDefinition): Peer {
  const contender = (feed: TopicFeed | null): Contender => ({
    label: `${label()} from ${feed ? 'Kafka' : 'memory'}`,
    isOurs: false,
    async start(clients) {
      await using releases = new AsyncDisposableStack();
      const { gateway, source } = await start(feed ? { KAFKA_BROKERS: feed.brokers } : {}, releases);
      const owned = releases.move();
      const addressees = Array.from({ length: clients }, (_, index) => ({
        phoneNumber: `+849${10_000_000 + index}`,
        userId: randomUUID(),
      }));
      return {
        process: gateway,
        addressees,
        clientOptions: (index) => ({
          url: gateway.url,
          subscribe: { query, variables: { phoneNumber: addressees[index]?.phoneNumber } },
        }),
        publish: feed?.publish ?? ((events) => source.send(events)),
        [Symbol.asyncDispose]: () => owned.disposeAsync(),
      };
    },
  });
  return { fromMemory: contender(null), fromTopic: contender };
}
