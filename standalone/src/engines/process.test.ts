import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freePort, freePorts, startEngine } from './process.ts';

it('free ports: are the preferred ones, unless they are in use', async () => {
  const preferred = await freePort(0);
  expect(await freePort(preferred)).toBe(preferred);
  await using server = createServer().listen(preferred, '127.0.0.1');
  await once(server, 'listening');
  expect(await freePort(preferred)).not.toBe(preferred);
});

// Regression: an outgoing connection took Kafka's port before Kafka listened on it.
it('free ports: are distinct, and none that outgoing connections are given', async () => {
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: firstOutgoing } = server.address() as AddressInfo;
  const ports = await freePorts(Array(50).fill(0));
  expect(new Set(ports).size).toBe(50);
  expect(firstOutgoing).toBeGreaterThan(30_000);
  expect(Math.max(...ports)).toBeLessThan(30_000);
});

// Regression: a second `npm run engines` started Kafka on the folder of the first, and destroyed its metadata.
it('engine: does not start on the folder of another until that has stopped', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'engine-'));
  await using releases = new AsyncDisposableStack();
  releases.defer(() => rm(folder, { recursive: true }));
  const start = () =>
    startEngine({
      name: 'Test',
      command: process.execPath,
      args: ['--eval', 'setInterval(() => {}, 1_000)'],
      logFile: join(folder, 'engine.log'),
      ready: async () => {},
    });
  const first = releases.use(await start());
  await expect(start()).rejects.toMatchObject({
    code: 'DATA_DIR_LOCKED',
    message: expect.stringContaining(`Test already runs on this folder, as process ${first.pid}`),
  });
  await first[Symbol.asyncDispose]();
  releases.use(await start());
});
