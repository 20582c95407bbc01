import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startSocketServer } from '../testing/servers/socket-server.ts';

// The test cases follow the server tests of graphql-ws.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

const acknowledged = { type: 'connection_ack' };

describe('subprotocol', () => {
  it.each([
    [['graphql-transport-ws'], 'graphql-transport-ws'],
    [['almost', 'graphql-transport-ws', 'next'], 'graphql-transport-ws'],
  ])('of %j is %s', async (protocols, chosen) => {
    await using server = await startSocketServer();
    const socket = new WebSocket(server.url, protocols);
    await once(socket, 'open');
    expect(socket.protocol).toBe(chosen);
    socket.terminate();
  });

  it.each([[[]], [['graphql-ws']], [['GraphQL-Transport-WS']], [['graphql-transport-wsx', 'other']]])(
    'is not acceptable: %j',
    async (protocols) => {
      await using server = await startSocketServer();
      const socket = new WebSocket(server.url, protocols);
      // The client reports an error if the server chooses none of its protocols.
      socket.on('error', () => {});
      const code = await new Promise((resolve) => socket.once('close', resolve));
      expect([4406, 1006]).toContain(code);
    },
  );
});

describe('connection_init', () => {
  it.each([{}, { payload: null }, { payload: { some: 'string', with: { a: 10 } } }])(
    'is acknowledged with %j',
    async (more) => {
      await using server = await startSocketServer();
      await using client = await server.connect();
      client.send({ type: 'connection_init', ...more });
      expect(await client.next()).toEqual(acknowledged);
      expect(await client.rest()).toEqual([]);
    },
  );

  it('that is late closes the socket', async () => {
    await using server = await startSocketServer({}, { connectionInitTimeoutMs: 1 });
    await using client = await server.connect();
    expect(await client.closed).toBe('4408 Connection initialisation timeout');
  });

  it('is in time, however long its acknowledgement takes', async () => {
    const authenticated = Promise.withResolvers<null>();
    await using server = await startSocketServer(
      { authenticate: () => authenticated.promise },
      { connectionInitTimeoutMs: 200 },
    );
    await using client = await server.connect();
    client.send({ type: 'connection_init' });
    client.send({ type: 'ping' });
    expect(await client.next()).toEqual({ type: 'pong' });
    await using late = await server.connect();
    // This socket connected after the first socket. When this socket times out, the first socket's time-out has also
    // elapsed.
    expect(await late.closed).toBe('4408 Connection initialisation timeout');
    authenticated.resolve(null);
    expect(await client.next()).toEqual(acknowledged);
  });

  it('that is sent twice closes the socket, also while the first is pending', async () => {
    const pending = Promise.withResolvers<null>();
    await using server = await startSocketServer({ authenticate: () => pending.promise });
    await using client = await server.connect();
    client.send({ type: 'connection_init' });
    client.send({ type: 'connection_init' });
    expect(await client.closed).toBe('4429 Too many initialisation requests');
    pending.resolve(null);

    await using other = await startSocketServer();
    await using ready = await other.connectReady();
    ready.send({ type: 'connection_init' });
    expect(await ready.closed).toBe('4429 Too many initialisation requests');
  });

  it('whose authentication fails with an internal error closes the socket', async () => {
    await using server = await startSocketServer({ authenticate: () => Promise.reject(new Error('secret detail')) });
    await using client = await server.connect();
    client.send({ type: 'connection_init' });
    expect(await client.closed).toBe('1011 INTERNAL_SERVER_ERROR');
  });
});

describe('ping and pong', () => {
  it('answer a ping with its payload, before connection_init, too', async () => {
    await using server = await startSocketServer();
    await using client = await server.connect();
    client.send({ type: 'ping' });
    client.send({ type: 'ping', payload: { iCome: 'back' } });
    expect(await client.next()).toEqual({ type: 'pong' });
    expect(await client.next()).toEqual({ type: 'pong', payload: { iCome: 'back' } });
  });

  it('ignore a pong', async () => {
    await using server = await startSocketServer();
    await using client = await server.connect();
    client.send({ type: 'pong' });
    client.send({ type: 'pong', payload: { any: 'thing' } });
    expect(await client.rest()).toEqual([]);
  });
});
