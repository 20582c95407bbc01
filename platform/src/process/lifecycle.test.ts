import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const main = fileURLToPath(new URL('../testing/processes/lifecycle-main.ts', import.meta.url));

/** Starts the service of `lifecycle-main.ts` as a process; `line` reads the next line that it prints. */
async function start(environment: Record<string, string> = {}) {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [main], {
    env: { PATH, NODE_COMPILE_CACHE, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value as string;
  return {
    url: await line(),
    line,
    exit,
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

it.each(['SIGTERM', 'SIGINT'] as const)('lifecycle: %s stops in order and exits 0', async (signal) => {
  await using service = await start({ SHUTDOWN_DELAY_MS: '50' });
  service.signal(signal);
  expect([await service.line(), await service.line()]).toEqual(['retired', 'stopping']);
  expect(await service.exit).toBe(0);
});

it('lifecycle: sends `ready` to a parent with an IPC channel', async () => {
  await using releases = new AsyncDisposableStack();
  const child = spawn(process.execPath, [main], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  releases.defer(() => void child.kill('SIGKILL'));
  const [message] = await once(child, 'message');
  expect(message).toBe('ready');
});

it('lifecycle: serves during its shutdown delay, not ready and without keep-alive', async () => {
  await using service = await start({ SHUTDOWN_DELAY_MS: '600000' });
  const ask = async (path: string) => {
    const response = await fetch(service.url + path);
    await response.text();
    return [response.status, response.headers.get('connection')];
  };
  expect(await ask('/health/ready')).toEqual([200, 'keep-alive']);
  service.signal('SIGTERM');
  expect(await service.line()).toBe('retired');
  expect(await ask('/health/ready')).toEqual([503, 'close']);
  expect(await ask('/')).toEqual([200, 'close']);
  // A second signal forces the exit.
  service.signal('SIGTERM');
  expect(await service.exit).toBe(1);
});

it('lifecycle: an unhandled rejection does not interrupt a stop', async () => {
  await using service = await start({ REJECTS: 'true' });
  service.signal('SIGTERM');
  expect([await service.line(), await service.line(), await service.line()]).toEqual(['retired', 'stopping', 'closed']);
  expect(await service.exit).toBe(0);
});

it.each([
  ['DATABASE_UNAVAILABLE,TOPICS_UNAVAILABLE', 0],
  ['DATABASE_UNAVAILABLE,BROKEN', 1],
])('lifecycle: a stop that fails by %s exits %i', async (codes, status) => {
  await using service = await start({ STOP_FAILS_BY: codes });
  service.signal('SIGTERM');
  expect(await service.exit).toBe(status);
});

it('lifecycle: forces a stop that exceeds its time limit', async () => {
  await using service = await start({ HANGS: 'true', STOP_WITHIN_MS: '100' });
  service.signal('SIGTERM');
  expect(await service.exit).toBe(1);
});
