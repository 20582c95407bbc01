import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@voucher-gateway/platform/process/lifecycle';
import { createLog } from '@voucher-gateway/platform/process/log';
import { readSecretsKey, startEngines } from './engines.ts';

// `npm run engines`: PostgreSQL, Redis and Kafka for development, with docker-compose.yml if Docker is available, else from
// installed binaries. Standard output has only KEY=value lines, for `source` and scripts.
const say = (line: string) => process.stderr.write(`${line}\n`);
/** Kafka may take more than ten seconds to close its logs. */
const stopWithinMs = 30_000;
const root = fileURLToPath(new URL('../../..', import.meta.url));
/** The folder with the engines' data, and with the key that encrypts secrets. */
const folder = resolve(root, '.data/engines');

await run(
  async () => {
    if (hasDocker()) return { ...(await composeUp()), stopWithinMs };
    say('Starting PostgreSQL, Redis and Kafka (the first time, Kafka is fetched)…');
    const engines = await startEngines({
      folder,
      libraries: resolve(folder, 'kafka-libraries'),
      onReady: (name, detail) => say(`  ✓ ${name.padEnd(12)} ${detail}`),
    });
    announce(engines.environment);
    return { ...engines, stopWithinMs };
  },
  { log: createLog({ level: 'warn', service: 'engines' }) },
);

function announce(environment: Readonly<Record<string, string>>) {
  for (const [name, value] of Object.entries(environment))
    process.stdout.write(`${name}=${value}
`);
  say('All three answer. Ctrl-C stops them; their data stays in .data/engines.');
}

function hasDocker(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 5_000 }).status === 0;
}

async function composeUp(): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true });
  const compose = (...args: string[]) => spawn('docker', ['compose', ...args], { cwd: root, stdio: ['ignore', 2, 2] });
  const [code] = await once(compose('up', '--detach', '--wait', 'postgres', 'redis', 'kafka'), 'exit');
  if (code !== 0) throw new Error('docker compose could not bring the engines up');
  announce({
    DATABASE_URL: 'postgres://postgres:postgres@127.0.0.1:5432/bank_voucher_int',
    REDIS_URL: 'redis://127.0.0.1:6379',
    // The port of Kafka's listener for clients outside the containers.
    KAFKA_BROKERS: '127.0.0.1:9093',
    SECRETS_KEY: await readSecretsKey(folder),
  });
  return {
    async [Symbol.asyncDispose]() {
      await once(compose('stop', 'postgres', 'redis', 'kafka'), 'exit');
    },
  };
}
