import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startSocketServer } from '../testing/socket-server.ts';

// The cases of the server tests of graphql-ws.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

const acknowledged = { type: 'connection_ack' };
const answer = (id: string) => [
  { id, type: 'next', payload: { data: { value: 1 } } },
  { id, type: 'complete' },
];

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
      // The client's handshake fails if its protocol is not chosen.
      socket.on('error', () => {});
      const code = await new Promise((resolve) => socket.once('close', resolve));
      expect([4406, 1006]).toContain(code);
    },
  );
});

describe('connection_init', () => {
  it.each([
    { type: 'connection_init' },
    { type: 'connection_init', payload: null },
    { type: 'connection_init', payload: { some: 'string', with: { a: 10 } } },
  ])('is acknowledged: %j', async (message) => {
    await using server = await startSocketServer();
    await using client = await server.connect();
    client.send(message);
    expect(await client.next()).toEqual(acknowledged);
    expect(await client.rest()).toEqual([]);
  });

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
    // This socket connected later, so the time-out of the first one has elapsed, too.
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

describe('subscribe', () => {
  it('before connection_init, or before its acknowledgement, closes the socket', async () => {
    const pending = Promise.withResolvers<null>();
    await using server = await startSocketServer({ authenticate: () => pending.promise });
    await using early = await server.connect();
    early.subscribe('1');
    expect(await early.closed).toBe('4401 Unauthorized');
    await using hasty = await server.connect();
    hasty.send({ type: 'connection_init' });
    hasty.subscribe('1');
    expect(await hasty.closed).toBe('4401 Unauthorized');
    pending.resolve(null);
  });

  it('answers a query with next and complete', async () => {
    await using server = await startSocketServer();
    await using client = await server.connectReady();
    client.subscribe('1');
    expect([await client.next(), await client.next()]).toEqual(answer('1'));
    expect(await client.rest()).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['an error', new Error('secret detail')],
    ['null', null],
    ['undefined', undefined],
    ['a string', 'secret detail'],
    ['an object', { secret: 'detail' }],
  ])('answers a thrown %s with one masked error, and stays open', async (_what, thrown) => {
    await using server = await startSocketServer({ execute: () => Promise.reject(thrown) });
    await using client = await server.connectReady();
    client.subscribe('1');
    const message = await client.next();
    expect(message).toMatchObject({
      id: '1',
      type: 'error',
      payload: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
    });
    expect(JSON.stringify(message)).not.toContain('secret');
    // Its id can be reused.
    client.subscribe('1', 'subscription');
    await server.untilSubscribed(1);
    expect(await client.rest()).toEqual([]);
  });

  it('sends a subscription’s events, until its source completes it', async () => {
    await using server = await startSocketServer();
    await using client = await server.connectReady();
    client.subscribe('1', 'subscription');
    await server.untilSubscribed(1);
    const [subscriber] = server.subscribers;
    subscriber?.next('{"data":1}', null);
    subscriber?.next('{"data":2}', null);
    subscriber?.end();
    subscriber?.next('{"data":3}', null);
    subscriber?.end();
    expect(await client.rest()).toEqual([
      { id: '1', type: 'next', payload: { data: 1 } },
      { id: '1', type: 'next', payload: { data: 2 } },
      { id: '1', type: 'complete' },
    ]);
  });

  it('ends a subscription with its errors, and no complete', async () => {
    await using server = await startSocketServer();
    await using client = await server.connectReady();
    client.subscribe('1', 'subscription');
    await server.untilSubscribed(1);
    for (const subscriber of server.subscribers) subscriber.end([{ message: 'over' }]);
    expect(await client.rest()).toEqual([{ id: '1', type: 'error', payload: [{ message: 'over' }] }]);
  });

  it('with the id of an active subscription closes the socket', async () => {
    await using server = await startSocketServer();
    await using client = await server.connectReady();
    client.subscribe('not-unique', 'subscription');
    await server.untilSubscribed(1);
    client.subscribe('not-unique');
    expect(await client.closed).toBe('4409 Subscriber for not-unique already exists');
    await server.untilSubscribed(0);
  });

  it('with the id of an operation in preparation closes the socket', async () => {
    const pending = Promise.withResolvers<void>();
    await using server = await startSocketServer({ onPrepare: () => pending.promise });
    await using client = await server.connectReady();
    client.subscribe('not-unique');
    client.subscribe('not-unique');
    expect(await client.closed).toBe('4409 Subscriber for not-unique already exists');
    pending.resolve();
  });
});

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
    const stalled = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const disposed = Promise.withResolvers<void>();
    await using server = await startSocketServer({
      onSubscribe() {
        begun.resolve();
        return stalled.promise;
      },
      onDispose: disposed.resolve,
    });
    await using client = await server.connectReady();
    client.subscribe('1', 'subscription');
    await begun.promise;
    client.complete('1');
    await client.rest();
    stalled.resolve();
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
    expect([await client.next(), await client.next()]).toEqual(answer('2'));
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
    await expect.poll(() => server.connections.count).toBe(0);
  });

  it('unsubscribes a subscription that is ready only after the close', async () => {
    const stalled = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const disposed = Promise.withResolvers<void>();
    await using server = await startSocketServer({
      onSubscribe() {
        begun.resolve();
        return stalled.promise;
      },
      onDispose: disposed.resolve,
    });
    await using client = await server.connectReady();
    client.subscribe('1', 'subscription');
    await begun.promise;
    client.socket.terminate();
    await expect.poll(() => server.connections.count).toBe(0);
    stalled.resolve();
    await disposed.promise;
    expect(server.subscribers.size).toBe(0);
  });

  it('unsubscribes the rest if one fails to', async () => {
    // Regression: an error thrown by a dispose left the socket's close handler, and ended the process.
    let disposals = 0;
    await using server = await startSocketServer({
      onDispose() {
        disposals += 1;
        if (disposals === 1) throw new Error('problematic');
      },
    });
    await using client = await server.connectReady();
    for (const id of ['1', '2', '3']) client.subscribe(id, 'subscription');
    await server.untilSubscribed(3);
    client.socket.terminate();
    await expect.poll(() => disposals).toBe(3);
    expect(server.log.text).toContain('problematic');
    await using other = await server.connectReady();
    other.subscribe('1');
    expect([await other.next(), await other.next()]).toEqual(answer('1'));
  });
});

describe('invalid message', () => {
  const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  it.each([
    '',
    'hello',
    '{',
    'null',
    '1',
    '"ping"',
    '[]',
    '[{"type":"ping"}]',
    '{}',
    '{"type":null}',
    '{"type":1}',
    '{"type":["ping"]}',
    '{"type":"unknown"}',
    '{"type":"PING"}',
    '{"type":"__proto__"}',
    '{"type":"ping","payload":"text"}',
    '{"type":"ping","payload":[]}',
    '{"type":"connection_init","payload":"token"}',
    '{"type":"connection_ack"}',
    '{"type":"next","id":"1","payload":{"data":null}}',
    '{"type":"error","id":"1","payload":[{"message":"x"}]}',
    '{"type":"subscribe"}',
    '{"type":"subscribe","id":1,"payload":{"query":"query"}}',
    '{"type":"subscribe","id":"","payload":{"query":"query"}}',
    '{"type":"subscribe","id":"1"}',
    '{"type":"subscribe","id":"1","payload":null}',
    '{"type":"subscribe","id":"1","payload":{"query":1}}',
    '{"type":"subscribe","id":"1","payload":{"query":"query","variables":[]}}',
    '{"type":"subscribe","id":"1","payload":{"query":"query","operationName":{}}}',
    '{"type":"subscribe","id":"1","payload":{"query":"query","extensions":"x"}}',
    '{"type":"complete"}',
    '{"type":"complete","id":null}',
  ])('closes its socket, and no other: %s', async (text) => {
    await using server = await startSocketServer();
    await using other = await server.connectReady();
    await using client = await server.connectReady();
    client.send(text);
    expect(await client.closed).toMatch(/^4400 ./);
    other.subscribe('1');
    expect([await other.next(), await other.next()]).toEqual(answer('1'));
  });

  it('that is nested thousands of times does not harm the server', async () => {
    await using server = await startSocketServer();
    for (const message of [
      `{"type":"ping","payload":${deep(10_000)}}`,
      `{"type":"subscribe","id":"1","payload":{"query":"query","variables":${deep(10_000)}}}`,
      '['.repeat(65_000),
    ]) {
      await using client = await server.connectReady();
      client.send(message);
      await Promise.race([client.next().catch(() => null), client.closed]);
    }
    await using other = await server.connectReady();
    other.subscribe('1');
    expect([await other.next(), await other.next()]).toEqual(answer('1'));
  });
});
