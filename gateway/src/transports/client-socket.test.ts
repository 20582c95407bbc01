import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createTestSendBudget } from '../testing/send-budget.ts';
import { ClientSocket } from './client-socket.ts';

const mebibyte = 1_048_576;
/** A text larger than the system's socket buffers. */
const large = 'x'.repeat(24 * mebibyte);

async function startServer({ maxBufferedBytes = 262_144, budgetBytes = 256 * mebibyte } = {}) {
  const log = createMemoryLog();
  const budget = createTestSendBudget(budgetBytes, log);
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', WebSocket: ClientSocket });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.on('connection', (socket: ClientSocket) => {
    socket.limits = { maxBufferedBytes, budget, log };
    socket.on('error', () => {});
    socket.on('close', () => socket.release());
  });
  return {
    budget,
    /** Connects a client that reads nothing until the test resumes it. Returns both sides of the connection. */
    async connect() {
      const client = new WebSocket(`ws://127.0.0.1:${port}`);
      const [[socket]] = await Promise.all([once(server, 'connection'), once(client, 'open')]);
      client.on('error', () => {});
      client.pause();
      const received = new Promise<number>((resolve) => client.once('message', (data) => resolve(String(data).length)));
      const closed = once(client, 'close').then(([code, reason]) => `${code} ${reason}`.trim());
      return { client, socket: socket as ClientSocket, received, closed };
    },
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('client socket', () => {
  it('pauses reading while its client does not read', async () => {
    await using server = await startServer();
    const { client, socket, received } = await server.connect();
    let requested = 0;
    const message = new Promise((resolve) =>
      socket.on('message', () => {
        requested += 1;
        resolve(requested);
      }),
    );
    socket.sendText(large);
    expect(server.budget.waitingBytes).toBeGreaterThan(mebibyte);
    expect(socket.isPaused).toBe(true);
    client.send('more');
    client.resume();
    expect(await received).toBe(large.length);
    await message;
    expect(socket.isPaused).toBe(false);
    await server.budget.until((waitingBytes) => waitingBytes === 0);
  });

  it('pauses reading while one of its operations waits for its turn', async () => {
    await using server = await startServer();
    const { client, socket } = await server.connect();
    const messages: string[] = [];
    socket.on('message', (data) => messages.push(String(data)));
    const release = [socket.pauseReading(), socket.pauseReading()];
    expect([socket.isReadingPaused, socket.isPaused]).toEqual([true, true]);
    release[0]?.();
    await new Promise<void>((resolve) => client.send('first', () => resolve()));
    await new Promise(setImmediate);
    expect(messages).toEqual([]);
    const message = once(socket, 'message');
    release[1]?.();
    expect([socket.isReadingPaused, socket.isPaused]).toEqual([false, false]);
    await message;
    expect(messages).toEqual(['first']);
  });

  it('is closed when more than the limit is buffered', async () => {
    await using server = await startServer({ maxBufferedBytes: 32 * mebibyte });
    const { client, socket, closed } = await server.connect();
    socket.sendText(large);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.sendText(large);
    expect(socket.readyState).toBe(WebSocket.CLOSING);
    socket.sendText('dropped');
    client.resume();
    // The client has one second to read the bytes before the close frame. After that the socket is terminated, with the
    // code 1006.
    expect(['1013 TOO_SLOW', '1006']).toContain(await closed);
    await server.budget.until((waitingBytes) => waitingBytes === 0);
  });

  it('is terminated if it has the most bytes when the budget is exceeded', async () => {
    await using server = await startServer({ budgetBytes: 40 * mebibyte });
    const first = await server.connect();
    const second = await server.connect();
    first.socket.sendText(large);
    second.socket.sendText(large.repeat(2));
    second.client.resume();
    expect(await second.closed).toBe('1006');
    expect(server.budget.waitingBytes).toBeLessThan(40 * mebibyte);
    first.client.resume();
    expect(await first.received).toBe(large.length);
  });

  it('is closed with a reason if it has few bytes when it is dropped', async () => {
    await using server = await startServer();
    const { client, socket, closed } = await server.connect();
    socket.drop();
    client.resume();
    expect(await closed).toBe('1013 TOO_SLOW');
    socket.sendText('late');
    await socket.flushed();
  });
});
