import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { listen } from '@voucher-gateway/platform/http/listen';
import { createHttpServer } from '@voucher-gateway/platform/http/server';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { createTestSendBudget } from '../testing/send-budget.ts';
import { countHttpAnswers } from './http-responses.ts';

const mebibyte = 1_048_576;
const answerBytes = 24 * mebibyte;

async function startServer(budgetBytes: number) {
  await using releases = new AsyncDisposableStack();
  const log = createMemoryLog();
  const app = createHttpServer({ log });
  const budget = createTestSendBudget(budgetBytes, log);
  countHttpAnswers(app, budget);
  app.get('/', () => 'é'.repeat(answerBytes / 2));
  const url = await listen(app, { host: '127.0.0.1', port: 0, setting: 'PORT' });
  releases.defer(() => app.close());
  releases.defer(() => app.server.closeAllConnections());
  const owned = releases.move();
  const { port } = app.server.address() as AddressInfo;
  return {
    budget,
    log,
    url,
    /** Sends a request, and does not read the response. */
    async stall() {
      const client = connect({ port, host: '127.0.0.1' });
      client.on('error', () => {}).pause();
      owned.defer(() => void client.destroy());
      const closed = new Promise((resolve) => client.once('close', resolve));
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(app.server, 'request');
      return { client, closed };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('http responses', () => {
  it('count until their client has read them', async () => {
    await using server = await startServer(100 * mebibyte);
    const stalled = await server.stall();
    await server.budget.until((waitingBytes) => waitingBytes > mebibyte);
    stalled.client.destroy();
    await server.budget.until((waitingBytes) => waitingBytes === 0);
    expect(await (await fetch(server.url)).text()).toHaveLength(answerBytes / 2);
    await server.budget.until((waitingBytes) => waitingBytes === 0);
  });

  it('are cut off over the budget', async () => {
    await using server = await startServer(30 * mebibyte);
    const first = await server.stall();
    const second = await server.stall();
    await server.budget.until(() => server.log.text.includes('is dropped'));
    expect(server.budget.waitingBytes).toBeLessThanOrEqual(30 * mebibyte);
    first.client.resume();
    second.client.resume();
    await Promise.race([first.closed, second.closed]);
  });
});
