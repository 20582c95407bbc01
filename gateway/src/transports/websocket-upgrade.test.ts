import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { createClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startTestGateway } from '../testing/gateway.ts';
import { createOpenConnections } from './connections.ts';
import { attachWebSocket, type WebSocketOptions } from './websocket.ts';

/**
 * Starts a server for tests of refused upgrades. The server can't execute operations, because these tests send none.
 */
async function startServer() {
  await using releases = new AsyncDisposableStack();
  const log = createMemoryLog();
  const connections = createOpenConnections({ total: 10, perAddress: 10, anonymousPerAddress: 10 }, log);
  const server = createServer((_request, response) => response.end('still here'));
  releases.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  releases.use(
    attachWebSocket({
      server,
      path: '/graphql',
      connections,
      addresses: createClientAddresses([]),
      log,
      allowsOrigin: ({ headers }) => headers.origin === undefined,
    } as Partial<WebSocketOptions> as WebSocketOptions),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const owned = releases.move();
  const { port } = server.address() as AddressInfo;
  return {
    server,
    connections,
    /** Requests an upgrade, and keeps the client's side of the connection open. */
    async upgrade(path: string, origin?: string): Promise<Socket> {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      owned.defer(() => void socket.destroy());
      await once(socket, 'connect');
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${origin ? `Origin: ${origin}\r\n` : ''}\r\n`,
      );
      return socket;
    },
    isServing: async () => (await (await fetch(`http://127.0.0.1:${port}/`)).text()) === 'still here',
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const refusals = [
  ['on another path', '/other', undefined, 404],
  ['on an invalid path', '//', undefined, 404],
  ['on an invalid address', 'http://', undefined, 404],
  ['with an invalid port', '//x:99999999', undefined, 404],
  ['of a foreign page', '/graphql', 'https://evil.example', 403],
  ['in the drain', '/graphql', undefined, 503],
] as const;

describe('upgrade', () => {
  it.each(refusals)('refuses one %s with a status, and continues to serve', async (what, path, origin, status) => {
    await using server = await startServer();
    if (what === 'in the drain') await server.connections.drain(1);
    const socket = await server.upgrade(path, origin);
    const [answer] = await once(socket.setEncoding('utf8'), 'data');
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(await server.isServing()).toBe(true);
  });

  it.each(refusals)('survives a reset by a client that is refused %s', async (what, path, origin) => {
    // Regression: the socket of a refused upgrade had no error listener, so a reset ended the process.
    await using server = await startServer();
    if (what === 'in the drain') await server.connections.drain(1);
    let client: Socket | undefined;
    const closed = new Promise((resolve) => {
      server.server.prependListener('upgrade', (_request, socket: Socket) => {
        socket.once('close', resolve);
        client?.resetAndDestroy();
      });
    });
    client = await server.upgrade(path, origin);
    await closed;
    expect(await server.isServing()).toBe(true);
  });

  it('destroys the socket of a refused client that does not close', async () => {
    await using server = await startServer();
    const closed = once(server.server, 'upgrade').then(([, socket]) => once(socket as Socket, 'close'));
    await server.upgrade('/other');
    await closed;
    expect(await server.isServing()).toBe(true);
  });

  it('destroys the socket of a refused client that keeps sending', async () => {
    await using server = await startServer();
    const closed = once(server.server, 'upgrade').then(([, socket]) => once(socket as Socket, 'close'));
    const socket = await server.upgrade('/other');
    socket.on('error', () => {}).pause();
    const send = () => void (socket.destroyed || socket.write('x'.repeat(65_536), () => setImmediate(send)));
    send();
    await closed;
    expect(await server.isServing()).toBe(true);
  });
});

describe('websocket', () => {
  it('refuses the upgrade on another path, and to a foreign page', async () => {
    await using gateway = await startTestGateway({ environment: { ALLOWED_ORIGINS: 'https://shop.example' } });
    const upgrade = async (url: string, origin?: string) => {
      const socket = new WebSocket(url, 'graphql-transport-ws', { ...(origin && { origin }) });
      return new Promise<number | undefined>((resolve) => {
        socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
        socket.on('open', () => {
          socket.terminate();
          resolve(101);
        });
        socket.on('error', () => {});
      });
    };
    expect(await upgrade(gateway.socketUrl.replace('/graphql', '/other'))).toBe(404);
    expect(await upgrade(gateway.socketUrl, 'https://evil.example')).toBe(403);
    expect(await upgrade(gateway.socketUrl, 'https://shop.example')).toBe(101);
    expect(await upgrade(gateway.socketUrl)).toBe(101);
  });

  it('leaves requests that offer another protocol to HTTP', async () => {
    // Regression: clients that offer an upgrade to HTTP/2 got 404 for each request, or 405 at /graphql. Java's HTTP
    // client offers this upgrade if the URL has no TLS.
    await using gateway = await startTestGateway();
    const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' };
    const call = request(gateway.graphqlUrl, {
      method: 'POST',
      headers: { ...offer, 'content-type': 'application/json' },
    });
    call.end('{"query": "{ openingHours }"}');
    const [response] = await once(call, 'response');
    expect([response.statusCode, await text(response)]).toEqual([200, '{"data":{"openingHours":"9 to 5"}}\n']);
  });
});
