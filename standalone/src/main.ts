import { readConfig } from '@voucher-gateway/platform/config';
import { run } from '@voucher-gateway/platform/lifecycle';
import { createLog } from '@voucher-gateway/platform/log';
import { standaloneSettings } from './config.ts';
import { createStack } from './stack.ts';
import { welcome } from './welcome.ts';

// `npm start`: every service in one process on embedded engines.
const log = createLog({ level: process.env.LOG_LEVEL || 'info', service: 'standalone' });
await run(
  async () => {
    const startedAt = performance.now();
    // People read the progress on standard output; the services' own lines start at warnings unless LOG_LEVEL says otherwise.
    const config = readConfig(standaloneSettings, { LOG_LEVEL: 'warn', ...process.env });
    const stack = await createStack({
      config,
      onReady: (part, detail) => process.stdout.write(`  ✓ ${part.padEnd(20)} ${detail}\n`),
    });
    process.stdout.write(welcome({ ...stack, seconds: (performance.now() - startedAt) / 1_000 }));
    return stack;
  },
  { log },
);
