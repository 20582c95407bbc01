import { once } from 'node:events';
import { connect } from 'node:net';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { openServiceHarness } from '@voucher-gateway/platform/testing/service-harness';
import { startIssuer } from '@voucher-gateway/platform/testing/tokens';
import type { Topics } from '@voucher-gateway/platform/topics';
import { expect, it } from 'vitest';
import { voucherSettings } from './config.ts';
import { createVoucherService } from './server.ts';

// Regression: server and consumers stopped one after another, and together exceeded the deadline.
it('stop: consumers stop while a request is still running', async () => {
  const stopping = new Set<string>();
  const consumersStop = Promise.withResolvers<void>();
  const watchStop = (topics: Topics): Topics => ({
    ...topics,
    async consume(options) {
      const consumer = await topics.consume(options);
      return {
        async [Symbol.asyncDispose]() {
          stopping.add(options.topic.name);
          if (stopping.size === 2) consumersStop.resolve();
          await consumer[Symbol.asyncDispose]();
        },
      };
    },
  });
  await using issuer = await startIssuer();
  await using harness = await openServiceHarness({
    openEngines: openTestEngines,
    create: (collaborators) => createVoucherService({ ...collaborators, topics: watchStop(collaborators.topics) }),
    config: readConfig(voucherSettings, { PORT: '0', JWKS_URL: issuer.jwksUrl }),
    clock: createTestClock(),
  });
  const { hostname, port } = new URL(harness.url);
  const socket = connect(Number(port), hostname).on('error', () => {});
  await once(socket, 'connect');
  // The service responds to the head of this request (100 Continue), and then waits for a body that is never sent.
  socket.write(
    'POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\r\n',
  );
  expect(String(await once(socket, 'data'))).toContain('100 Continue');
  const answered = new Promise<string>((resolve) => {
    socket.once('data', (chunk) => resolve(String(chunk)));
    socket.once('close', () => resolve('no answer'));
  });
  const stopped = harness.service[Symbol.asyncDispose]();
  await consumersStop.promise;
  socket.write('{}');
  expect(await answered).toMatch(/^HTTP\/1.1 4/);
  await stopped;
});
