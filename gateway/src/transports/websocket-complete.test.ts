import { describe, expect, it } from 'vitest';
import type WebSocket from 'ws';
import { createHold } from '../testing/hold.ts';
import { messagesOfQuery, startSocketServer } from '../testing/servers/socket-server.ts';

// The test cases follow the server tests of graphql-ws.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

const acknowledged = { type: 'connection_ack' };

/** Starts a client whose subscription stays in preparation until the test releases it. */
async function startPreparing() {
  await using releases = new AsyncDisposableStack();
  const subscribing = createHold();
  const disposed = Promise.withResolvers<void>();
  const server = releases.use(await startSocketServer({ onSubscribe: subscribing.wait, onDispose: disposed.resolve }));
  const client = releases.use(await server.connectReady());
  client.subscribe('1', 'subscription');
  await subscribing.reached;
  const owned = releases.move();
  return { server, client, subscribing, disposed, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe('complete', () => {
  it('stops a subscription’s events, and is not answered', async () => {
    await using server = await startSocketServer();
    await using client = await server.connectReady();
    client.subscribe('1', 'subscription');
    await server.untilSubscribed(1);
    const [subscriber] = server.subscribers;
    client.complete('1');
    await server.untilSubscribed(0);
    subscriber?.next('{"data":1}', null);
    subscriber?.end();
    expect(await client.rest()).toEqual([]);
  });

  it('of a running query suppresses its result', async () => {
    const result = Promise.withResolvers<object>();
    const begun = Promise.withResolvers<AbortSignal>();
    await using server = await startSocketServer({
      execute(signal) {
        begun.resolve(signal);
        return result.promise;
      },
    });
    await using client = await server.connectReady();
    client.subscribe('1');
    const signal = await begun.promise;
    client.complete('1');
    expect(await client.rest()).toEqual([]);
    expect(signal.aborted).toBe(true);
    result.resolve({ data: {} });
    expect(await client.rest()).toEqual([]);
  });

  it('of a subscription in preparation is respected', async () => {
    await using ctx = await startPreparing();
    const { server, client, subscribing, disposed } = ctx;
    client.complete('1');
    await client.rest();
    subscribing.release();
    await disposed.promise;
    expect(server.subscribers.size).toBe(0);
    expect(await client.rest()).toEqual([]);
  });

  it('of an unknown id is ignored', async () => {
    await using server = await startSocketServer();
    await using client = await server.connectReady();
    client.complete('never');
    client.subscribe('1');
    client.complete('1');
    client.complete('1');
    await client.rest();
    client.subscribe('2');
    expect([await client.next(), await client.next()]).toEqual(messagesOfQuery('2'));
  });

  it('before connection_init is ignored', async () => {
    await using server = await startSocketServer();
    await using client = await server.connect();
    client.complete('1');
    client.send({ type: 'connection_init' });
    expect(await client.next()).toEqual(acknowledged);
  });
});

describe('closed socket', () => {
  it.each([
    ['closed with a code', (socket: WebSocket) => socket.close(4321, 'Byebye')],
    ['cut', (socket: WebSocket) => socket.terminate()],
  ])('unsubscribes all its subscriptions: %s', async (_how, close) => {
    await using server = await startSocketServer();
    await using client = await server.connectReady();
    for (const id of ['1', '2', '3']) client.subscribe(id, 'subscription');
    await server.untilSubscribed(3);
    close(client.socket);
    await server.untilSubscribed(0);
    await server.untilConnections(0);
  });

  it('unsubscribes a subscription that is ready only after the close', async () => {
    await using ctx = await startPreparing();
    const { server, client, subscribing, disposed } = ctx;
    client.socket.terminate();
    await server.untilConnections(0);
    subscribing.release();
    await disposed.promise;
    expect(server.subscribers.size).toBe(0);
  });

  it('unsubscribes the rest if one fails to', async () => {
    // Regression: disposing one subscription threw. The error escaped from the socket's close handler, and ended the
    // process.
    let disposals = 0;
    const allDisposed = Promise.withResolvers<void>();
    await using server = await startSocketServer({
      onDispose() {
        disposals += 1;
        if (disposals === 3) allDisposed.resolve();
        if (disposals === 1) throw new Error('problematic');
      },
    });
    await using client = await server.connectReady();
    for (const id of ['1', '2', '3']) client.subscribe(id, 'subscription');
    await server.untilSubscribed(3);
    client.socket.terminate();
    await allDisposed.promise;
    expect(disposals).toBe(3);
    expect(server.log.text).toContain('problematic');
    await using other = await server.connectReady();
    other.subscribe('1');
    expect([await other.next(), await other.next()]).toEqual(messagesOfQuery('1'));
  });
});
