import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { createMemoryLog } from '../../../testing/log.ts';
import { startTcpProxy } from '../../../testing/tcp-proxy.ts';
import { connectKafka } from './client.ts';

// Regression: a service logged 40 lines per second while no broker responded.
it('kafka log: groups the lines of repeated failures to connect', async () => {
  await using proxy = await startTcpProxy('kafka://127.0.0.1:1');
  const { hostname, port } = new URL(proxy.url);
  proxy.cut();
  const log = createMemoryLog('warn');
  let tries = 0;
  await using _client = await connectKafka({
    brokers: ['127.0.0.1:9092'],
    clientId: 'test',
    partitions: 1,
    retentionMs: 3_600_000,
    socketFactory: ({ onConnect }) => {
      tries += 1;
      return connect(Number(port), hostname, onConnect);
    },
    log,
  });
  await expect.poll(() => tries).toBeGreaterThan(12);
  const lines = log.text.split('\n').filter((line) => line.includes('"part":"kafkajs"'));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length).toBeLessThan(6);
});
