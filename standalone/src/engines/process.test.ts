import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort, freePorts } from './process.ts';

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
