import { readConfig, readEnvironment } from '@voucher-gateway/platform/config';
import { run } from '@voucher-gateway/platform/lifecycle';
import { createLog } from '@voucher-gateway/platform/log';
import { standaloneSettings } from './config.ts';
import { assertPortsFree } from './ports.ts';
import { quickenImports } from './quick-imports.ts';
import { welcome } from './welcome.ts';

// `npm start`: every service in one process on embedded engines.
// People read the progress on standard output; log lines start at warnings unless LOG_LEVEL says otherwise.
const environment = { LOG_LEVEL: 'warn', ...readEnvironment() };
const log = createLog({ level: 'warn', service: 'standalone' });
process.once('SIGINT', () =>
  process.stdout.write('\nStopping: what runs is finished first. Ctrl-C again forces it.\n'),
);
await run(
  async () => {
    const startedAt = performance.now();
    const config = readConfig(standaloneSettings, environment);
    await assertPortsFree(config);
    // Imported once the settings are right and the ports free: what is wrong is said at once.
    const { createStack } = await importStack();
    const stack = await createStack({
      config,
      onReady: (part, detail) => process.stdout.write(`  ✓ ${part.padEnd(20)} ${detail}\n`),
    });
    process.stdout.write(welcome({ ...stack, seconds: (performance.now() - startedAt) / 1_000 }));
    return stack;
  },
  { log },
);

async function importStack() {
  using _quicker = quickenImports();
  return await import('./stack.ts');
}
