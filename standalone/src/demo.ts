import { randomInt } from 'node:crypto';
import { readConfig, readEnvironment } from '@voucher-gateway/platform/process/config';
import { standaloneSettings } from './config.ts';
import { createDemo } from './demo-story.ts';
import { quickenImports } from './quick-imports.ts';

// `npm run demo`: runs the demo against the stack of `npm start`, or starts a temporary stack.
const config = readConfig(standaloneSettings, readEnvironment());
const gatewayUrl = `http://127.0.0.1:${config.GATEWAY_PORT}`;
const vpsUrl = config.VPS_URL ?? `http://127.0.0.1:${config.VPS_PORT}`;
const say = (line: string) => process.stdout.write(`${line}\n`);

const running = await fetch(`${gatewayUrl}/health/live`).then(
  (response) => response.ok,
  () => false,
);
let failed = false;
{
  await using stack = running ? null : await startOwnStack();
  say(
    running
      ? `Using the gateway at ${gatewayUrl}`
      : `Nothing runs at ${gatewayUrl}: booted a stack of its own at ${stack?.gatewayUrl}`,
  );
  try {
    await createDemo({
      gatewayUrl: stack?.gatewayUrl ?? gatewayUrl,
      vpsUrl: stack?.vpsUrl ?? vpsUrl,
      user: {
        username: `demo-${Date.now().toString(36)}`,
        phoneNumber: `+849${randomInt(10_000_000, 99_999_999)}`,
        password: 'correct horse',
      },
      say,
    });
  } catch (error) {
    failed = true;
    say(`The demo failed: ${(error as Error).message}`);
  }
}
process.exit(failed ? 1 : 0);

async function startOwnStack() {
  using _quicker = quickenImports();
  const { createTemporaryStack } = await import('./temporary-stack.ts');
  return createTemporaryStack({ say });
}
