import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { limitHttpConnections } from './http-connections.ts';

async function startServer({ maxPerAddress = 2, proxies = [] as string[] } = {}) {
  await using releases = new AsyncDisposableStack();
  const log = createMemoryLog();
  const server = createServer((_request, response) => response.end());
  releases.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const addresses = createClientAddresses(proxies);
  const limit = releases.use(limitHttpConnections({ server, addresses, maxPerAddress, log }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const owned = releases.move();
  const { port } = server.address() as AddressInfo;
  return {
    server,
    limit,
    log,
    /** Connects and sends a part of a request. `isAccepted` is false if the server has reset the connection. */
    async open({ localAddress = '127.0.0.1' } = {}) {
      const accepted = once(server, 'connection');
      const socket = connect({ port, host: '127.0.0.1', localAddress });
      // A rejected connection may be reset before its `connect` event.
      socket.on('error', () => {});
      owned.defer(() => void socket.destroy());
      const [serverSocket]: Socket[] = await accepted;
      if (!serverSocket) throw new Error('no socket');
      socket.write('GET / HTTP/1.1\r\nHos');
      return { isAccepted: !serverSocket.destroyed, socket, serverSocket };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('HTTP connections of an address', () => {
  it('are limited from the moment they are accepted, per address', async () => {
    await using server = await startServer();
    const first = await server.open();
    const second = await server.open();
    const third = await server.open();
    expect([first, second, third].map(({ isAccepted }) => isAccepted)).toEqual([true, true, false]);
    await new Promise<void>((resolve) =>
      third.socket.closed ? resolve() : third.socket.once('close', () => resolve()),
    );
    // The loopback interface has all addresses of 127.0.0.0/8, so a client can have another address.
    expect((await server.open({ localAddress: '127.0.0.2' })).isAccepted).toBe(true);
    expect(server.log.text).toContain('"limit":"httpPerAddress"');
  });

  it('stop counting once closed or released', async () => {
    await using server = await startServer();
    const first = await server.open();
    const second = await server.open();
    const closed = new Promise((resolve) => second.serverSocket.once('close', resolve));
    second.socket.destroy();
    await closed;
    expect((await server.open()).isAccepted).toBe(true);
    expect((await server.open()).isAccepted).toBe(false);
    server.limit.release(first.serverSocket);
    server.limit.release(first.serverSocket);
    expect((await server.open()).isAccepted).toBe(true);
    expect((await server.open()).isAccepted).toBe(false);
  });

  it.each([
    ['from a trusted proxy', { proxies: ['loopback'] }],
    ['if the limit is off', { maxPerAddress: Number.POSITIVE_INFINITY }],
  ])('are not limited %s', async (_where, options) => {
    await using server = await startServer(options);
    for (let count = 0; count < 5; count += 1) expect((await server.open()).isAccepted).toBe(true);
  });
});
