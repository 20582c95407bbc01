import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { freePort } from '@voucher-gateway/standalone/engines/process';
import { nodeOptions } from '@voucher-gateway/standalone/node-options';
import { type MeasuredProcess, startMeasured } from '../processes/measured-process.ts';

/** A gateway of the comparison. */
export interface QueryContender {
  label: string;
  path: string;
  /** Names of the operations that it can execute. */
  operations: readonly string[];
  start(environment: Readonly<Record<string, string>>): Promise<MeasuredProcess>;
}

const every = ['Q1', 'Q2', 'Q3', 'nested'];
const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const versionOf = (name: string) => createRequire(import.meta.url)(`${name}/package.json`).version;

/** Ours, the stock gateway, and the limit, in the order in which they take turns. */
export const contenders: readonly QueryContender[] = [
  {
    label: 'ours',
    path: '/graphql',
    operations: every,
    start: (environment) =>
      start(
        'the gateway',
        [...nodeOptions, fileOf('../../../gateway/src/testing/anonymous-main.ts')],
        '/health/ready',
        {
          ...environment,
          JWKS_URL: 'http://127.0.0.1:9/jwks',
          // Never connected.
          REDIS_URL: 'redis://127.0.0.1:9',
          KAFKA_BROKERS: '127.0.0.1:9',
          LOG_LEVEL: 'error',
          SHUTDOWN_DELAY: '1ms',
          DRAIN_WINDOW: '1ms',
          // The nested operation costs 24,420.
          MAX_COST: '100000',
          MAX_HTTP_CONNECTIONS_PER_ADDRESS: 'off',
        },
      ),
  },
  {
    label: `Apollo Gateway ${versionOf('@apollo/gateway')}`,
    path: '/',
    operations: every,
    start: (environment) =>
      start('Apollo Gateway', [fileOf('stock-main.ts')], '/?query=%7B__typename%7D', {
        ...environment,
        APOLLO_TELEMETRY_DISABLED: '1',
      }),
  },
  {
    label: 'the limit',
    path: '/',
    operations: ['Q1', 'Q2', 'Q3'],
    start: (environment) => start('the limit', [fileOf('limit-main.ts')], '/', environment),
  },
];

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
