import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { createLog } from '../process/log.ts';
import type { DirectExchange, DirectHandler } from './direct-handler.ts';
import { createReadiness } from './readiness.ts';
import { createHttpServer, type HttpServerOptions } from './server.ts';

/** Starts a server whose `/` is also handled by Fastify. Disposing closes it. */
async function startServer(handle: DirectHandler['handle'], options: Partial<HttpServerOptions> = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: 'debug',
    service: 'test',
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const app = createHttpServer({ log, direct: { handle }, ...options });
  app.post('/', async ({ id }) => `by Fastify as ${id}`);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { url, app, lines, [Symbol.asyncDispose]: () => app.close() };
}

const answer = (exchange: DirectExchange) => {
  exchange.send(201, ['x-own', 'yes'], 'direct “answer”');
  return true;
};
const post = (url: string, headers: Record<string, string> = {}) => fetch(url, { method: 'POST', headers });

/** Sends a raw request head, and returns the whole response. */
async function sendRaw(url: string, head: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.end(`${head}\r\n\r\n`);
  return text(socket);
}

describe('direct handler', () => {
  it('answer: has the id of the request, is not cached, and has its length in bytes', async () => {
    await using server = await startServer(answer);
    const response = await post(server.url, { 'x-request-id': 'id-1' });
    expect(response.status).toBe(201);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-request-id': 'id-1',
      'cache-control': 'no-store',
      'x-own': 'yes',
      'content-length': '19',
    });
    expect(await response.text()).toBe('direct “answer”');
  });

  it('answer: is logged as by Fastify', async () => {
    await using server = await startServer(answer);
    await post(server.url, { 'x-request-id': 'id-1' });
    expect(server.lines).toEqual([
      expect.objectContaining({
        msg: 'a request was answered',
        requestId: 'id-1',
        method: 'POST',
        route: '/',
        status: 201,
        durationMs: expect.any(Number),
      }),
    ]);
  });

  it('answer: is cut off if its client does not read it', async () => {
    let exchange: DirectExchange | undefined;
    await using server = await startServer(
      (each) => {
        exchange = each;
        each.send(200, [], Buffer.alloc(50_000_000));
        return true;
      },
      { limits: { answerMs: 100 } },
    );
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.pause();
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n');
    await once(server.app.server, 'request');
    const { response } = exchange as DirectExchange;
    if (!response.closed) await once(response, 'close');
    expect(response.writableFinished).toBe(false);
    socket.destroy();
  });

  it('answer: is not sent to a client that has left', async () => {
    const { promise, resolve } = Promise.withResolvers<DirectExchange>();
    await using server = await startServer((exchange) => {
      resolve(exchange);
      return true;
    });
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n');
    const exchange = await promise;
    const left = once(exchange.response, 'close');
    socket.destroy();
    await left;
    answer(exchange);
    expect(exchange.response.headersSent).toBe(false);
  });

  it('request: is left to Fastify if it is not taken', async () => {
    await using server = await startServer(() => false);
    expect(await (await post(server.url, { 'x-request-id': 'id-1' })).text()).toBe('by Fastify as id-1');
  });

  it('request: has the same id if it is passed on', async () => {
    let requestId: string | undefined;
    await using server = await startServer((exchange) => {
      requestId = exchange.requestId;
      setImmediate(() => exchange.pass());
      return true;
    });
    const response = await post(server.url);
    expect(response.headers.get('x-request-id')).toBe(requestId);
    expect(await response.text()).toBe(`by Fastify as ${requestId}`);
  });

  it.each([
    ['an invalid Host header', 'POST / HTTP/1.1\r\nhost: a b', '400 Bad Request'],
    ['two Host headers', 'POST / HTTP/1.1\r\nhost: a\r\nhost: b', '400 Bad Request'],
    ['HTTP/1.0', 'POST / HTTP/1.0\r\nhost: a', '200 OK'],
  ])('request: with %s is left to Fastify', async (_what, head, status) => {
    await using server = await startServer(answer);
    const response = await sendRaw(server.url, `${head}\r\nconnection: close\r\ncontent-length: 0`);
    expect(response).toContain(`HTTP/1.1 ${status}`);
    expect(response).not.toContain('direct');
  });

  it('request: is left to Fastify while the server drains', async () => {
    const readiness = createReadiness();
    await using server = await startServer(answer, { readiness });
    expect((await post(server.url)).status).toBe(201);
    readiness.retire();
    const response = await post(server.url);
    expect(response.headers.get('connection')).toBe('close');
    expect(await response.text()).toContain('by Fastify');
  });
});
