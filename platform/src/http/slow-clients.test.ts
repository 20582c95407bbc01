import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { serve } from '../testing/http-app.ts';

describe('slow clients', () => {
  const limits = { headMs: 100, requestMs: 200, idleMs: 100, answerMs: 100, closeMs: 50 };

  /** Sends a byte every few milliseconds; resolves with the response once the server has closed. */
  async function drip(port: number, bytes: string) {
    const socket = connect({ host: '127.0.0.1', port });
    let answer = '';
    let sent = 0;
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.on('error', () => {});
    const timer = setInterval(() => socket.write(bytes[sent++ % bytes.length] ?? ''), 10);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(timer);
    return answer;
  }

  it.each([
    ['a header', 'GET / HTTP/1.1\r\nx: '],
    ['nothing', ''],
  ])('http server: disconnects a client that drips %s', async (_what, bytes) => {
    await using server = await serve(() => {}, { limits });
    expect(await drip(server.port, bytes)).toMatch(/^HTTP\/1\.1 408 .*"BAD_REQUEST".*"retryable":true/s);
  });

  it('http server: disconnects a client that drips its body', async () => {
    await using server = await serve((app) => app.post('/', () => 'never'), { limits, bodyLimitBytes: 1_000_000 });
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n');
    const timer = setInterval(() => socket.write('1'), 10);
    socket.on('error', () => {});
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(timer);
  });

  it('http server: disconnects a client that does not read its response', async () => {
    await using server = await serve((app) => app.get('/', () => 'x'.repeat(64_000_000)), { limits });
    const isCut = Promise.withResolvers<void>();
    server.app.server.on('connection', (socket) => socket.once('close', isCut.resolve));
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.on('error', () => {});
    socket.pause().write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await isCut.promise;
    socket.destroy();
  });

  it('http server: closes an idle connection after a request', async () => {
    await using server = await serve((app) => app.get('/', () => 'served'), { limits });
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
  });

  it('http server: a slow client does not delay its close', async () => {
    await using server = await serve(() => {}, { limits: { ...limits, headMs: 60_000, requestMs: 60_000 } });
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.on('error', () => {});
    const accepted = once(server.app.server, 'connection');
    socket.write('GET / HT');
    await accepted;
    await server.app.close();
    socket.destroy();
  });
});
