import { callbackUrlPolicy, callbackUrlSettings } from '@voucher-gateway/platform/egress/settings';
import { databaseSettings, keyValueSettings, topicsSettings } from '@voucher-gateway/platform/engines/settings';
import { readConfig, readEnvironment } from '@voucher-gateway/platform/process/config';
import { run } from '@voucher-gateway/platform/process/lifecycle';
import { createLog } from '@voucher-gateway/platform/process/log';
import { secretsSettings } from '@voucher-gateway/platform/secrets/settings';
import { z } from 'zod';
import { createDistributedStack } from './distributed.ts';
import { welcome } from './welcome.ts';

// `npm run start:distributed` starts one process per service, with the engines that the environment variables name.
process.once('SIGINT', () =>
  process.stdout.write('\nStopping: what runs is finished first. Ctrl-C again forces it.\n'),
);
await run(
  async () => {
    const startedAt = performance.now();
    // Unlike services, this launcher does not default to production, because it is for developers.
    const read = readEnvironment();
    const environment = { LOG_LEVEL: 'warn', ...read, NODE_ENV: read.NODE_ENV?.trim() || 'development' };
    // Without this check, every service would report the missing settings of engines. The launcher reports them only
    // once, with instructions.
    try {
      readConfig(
        z.object({ ...databaseSettings, ...keyValueSettings, ...topicsSettings, ...secretsSettings }),
        environment,
      );
    } catch (error) {
      process.stderr.write('npm run engines starts PostgreSQL, Redis and Kafka, and prints these settings.\n');
      throw error;
    }
    const stack = await createDistributedStack({
      environment,
      ports: {
        gateway: 8_080,
        'vps-mock': 8_081,
        'voucher-integration': 8_082,
        user: 8_091,
        voucher: 8_092,
        delivery: 8_093,
      },
      onReady: (name, detail) => process.stdout.write(`  ✓ ${name.padEnd(20)} ${detail}\n`),
    });
    process.stdout.write(
      welcome({
        ...stack,
        seconds: (performance.now() - startedAt) / 1_000,
        callbacks: callbackUrlPolicy({
          ...readConfig(z.object(callbackUrlSettings), environment),
          NODE_ENV: environment.NODE_ENV,
        }),
      }),
    );
    return stack;
  },
  { log: createLog({ level: 'warn', service: 'distributed' }) },
);
