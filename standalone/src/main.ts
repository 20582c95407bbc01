import { openDataDirectory } from '@voucher-gateway/platform/database/embedded/data-directory';
import { callbackUrlPolicy } from '@voucher-gateway/platform/egress/settings';
import { readConfig, readEnvironment } from '@voucher-gateway/platform/process/config';
import { run } from '@voucher-gateway/platform/process/lifecycle';
import { createLog } from '@voucher-gateway/platform/process/log';
import { standaloneSettings } from './config.ts';
import { assertPortsFree } from './ports.ts';
import { quickenImports } from './quick-imports.ts';
import { welcome } from './welcome.ts';

// `npm start`: every service in one process on embedded engines. The command prints its progress as text on standard
// output. The default LOG_LEVEL is `warn`.
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
    await using releases = new AsyncDisposableStack();
    const directory = releases.use(await openDataDirectory(config.DATA_DIR));
    // The stack is imported only after settings, ports and folder are checked, so that errors are reported without
    // delay.
    const { createStack } = await importStack();
    const stack = releases.use(
      await createStack({
        config,
        directory,
        onReady: (part, detail) => process.stdout.write(`  ✓ ${part.padEnd(20)} ${detail}\n`),
      }),
    );
    process.stdout.write(
      welcome({
        ...stack,
        seconds: (performance.now() - startedAt) / 1_000,
        callbacks: callbackUrlPolicy(config),
      }),
    );
    const owned = releases.move();
    return { ...stack, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  },
  { log },
);

async function importStack() {
  using _quicker = quickenImports();
  return await import('./stack.ts');
}
