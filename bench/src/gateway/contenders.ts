import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@voucher-gateway/standalone/engines/process';
import { nodeOptions } from '@voucher-gateway/standalone/node-options';
import { installPeers, peersFolder, versionOf as peerVersionOf } from '../processes/install-peers.ts';
import { type MeasuredProcess, startMeasured } from '../processes/measured-process.ts';

/** A gateway of the comparison. */
export interface QueryContender {
  label: string;
  path: string;
  /** Names of the operations that this gateway can execute. */
  operations: readonly string[];
  start(environment: Readonly<Record<string, string>>): Promise<MeasuredProcess>;
}

const small = ['Q1', 'Q2', 'Q3'];
const every = [...small, 'nested'];
const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const versionOf = (name: string) => createRequire(import.meta.url)(`${name}/package.json`).version;

export const ours: QueryContender = {
  label: 'ours',
  path: '/graphql',
  operations: every,
  start: (environment) =>
    start('the gateway', [...nodeOptions, fileOf('../../../gateway/src/main.ts')], '/health/ready', {
      ...environment,
      HOST: '127.0.0.1',
      // `scripts/run.js` sets the same value of MALLOC_ARENA_MAX.
      MALLOC_ARENA_MAX: '2',
      NODE_COMPILE_CACHE: fileOf('../../../node_modules/.cache/compiled'),
      LOG_LEVEL: 'error',
      SHUTDOWN_DELAY: '1ms',
      DRAIN_WINDOW: '1ms',
      // The nested operation of graph.ts costs 24,420, and the default of MAX_COST is 10,000.
      MAX_COST: '100000',
      MAX_HTTP_CONNECTIONS_PER_ADDRESS: 'off',
    }),
};
const stock: QueryContender = {
  label: `Apollo Gateway ${versionOf('@apollo/gateway')}`,
  path: '/',
  operations: every,
  start: (environment) =>
    start('Apollo Gateway', [fileOf('stock-main.ts')], '/?query=%7B__typename%7D', {
      ...environment,
      APOLLO_TELEMETRY_DISABLED: '1',
    }),
};
const limit: QueryContender = {
  label: 'the limit',
  path: '/',
  operations: small,
  start: (environment) => start('the limit', [fileOf('limit-main.ts')], '/', environment),
};

/**
 * The other gateways, by name. Install the peers before calling a function, because it reads the version of the peer's
 * package.
 */
const peers: Readonly<Record<string, () => QueryContender>> = {
  hive: () => ({
    label: `Hive Gateway ${peerVersionOf('@graphql-hive/gateway')}`,
    path: '/graphql',
    operations: every,
    start: (environment) => {
      const cli = join(peersFolder, 'node_modules/@graphql-hive/gateway/dist/bin.js');
      const config = ['--config-path', join(peersFolder, 'hive-queries.config.js'), '--host', '127.0.0.1'];
      return start('Hive Gateway', ['--no-deprecation', cli, 'supergraph', ...config], '/readiness', environment);
    },
  }),
  mercurius: () => ({
    label: `Mercurius ${peerVersionOf('mercurius')} with JIT`,
    path: '/graphql',
    // Mercurius supports only federation 1. So it can't execute the nested operation of graph.ts.
    operations: small,
    start: (environment) => start('Mercurius', [join(peersFolder, 'mercurius-queries.js')], '/ready', environment),
  }),
};

/**
 * Returns the gateways in the order in which they are measured, ours first. Installs peers if needed.
 *
 * @param selected comma-separated names of peers. Undefined selects all peers, and an empty text selects none.
 */
export async function openContenders(selected: string | undefined): Promise<readonly QueryContender[]> {
  const names = selected?.split(',').filter(Boolean) ?? Object.keys(peers);
  const unknown = names.find((name) => !peers[name]);
  if (unknown) throw new Error(`BENCH_PEERS: ${unknown} is none of ${Object.keys(peers).join(', ')}`);
  if (names.length > 0) await installPeers();
  return [ours, stock, limit, ...names.flatMap((name) => peers[name]?.() ?? [])];
}

async function start(
  name: string,
  args: readonly string[],
  readyPath: string,
  environment: Readonly<Record<string, string>>,
): Promise<MeasuredProcess> {
  const port = await freePort(0);
  return startMeasured({
    name,
    args,
    environment: { ...environment, PORT: String(port) },
    port,
    readyPath,
    pinned: true,
  });
}
