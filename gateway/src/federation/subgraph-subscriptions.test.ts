import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Client } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { startTestGateway } from '../testing/gateway.ts';
import { startGreetingServer } from '../testing/greeting-server.ts';

const greeted = 'subscription ($by: ID) { hi: greeted(by: $by) { text by { name } } }';

/** A subscriber whose results are read one by one. */
function listen(client: Client, variables: Record<string, unknown> = {}, query = greeted) {
  const answers = client.iterate({ query, variables });
  const next = async () => JSON.parse(JSON.stringify((await answers.next()).value ?? null));
  return { next, stop: async () => void (await answers.return?.()) };
}

describe.each(['socketUrl', 'eventsUrl'] as const)('upstream: a subscription at its %s', (kind) => {
  const setUp = async () => {
    const greetings = await startGreetingServer();
    const gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings[kind] } });
    const resources = new AsyncDisposableStack();
    resources.use(greetings);
    resources.use(gateway);
    return { greetings, gateway, [Symbol.asyncDispose]: () => resources.disposeAsync() };
  };

  it('streams events with the fields of other subgraphs, by the subscriber’s token', async () => {
    await using ctx = await setUp();
    const { greetings, gateway } = ctx;
    const { token } = await gateway.signIn('ann');
    const ann = listen(gateway.connect(token).client, { by: 'bob' });
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.greet('hello', 'bob');
    expect(await first).toEqual({ data: { hi: { text: 'hello', by: { name: 'name of bob' } } } });
    expect(greetings.requested).toEqual([{ by: 'bob', authorization: token }]);
  });

  it('is shared by equal subscriptions, until the last of them ends', async () => {
    await using ctx = await setUp();
    const { greetings, gateway } = ctx;
    const { token } = await gateway.signIn('ann');
    const { token: other } = await gateway.signIn('bob');
    const one = listen(gateway.connect(token).client);
    const two = listen(gateway.connect(token).client);
    const firsts = [one.next(), two.next()];
    await gateway.untilSubscribed(2);
    const bob = listen(gateway.connect(other).client);
    const ofBob = bob.next();
    await gateway.untilSubscribed(3);
    await greetings.untilStreams(2);
    expect(gateway.upstreamSubscriptions()).toBe(2);
    greetings.greet('hello');
    for (const answer of [...firsts, ofBob])
      expect(await answer).toEqual({ data: { hi: { text: 'hello', by: null } } });
    await one.stop();
    await gateway.untilSubscribed(2);
    expect(gateway.upstreamSubscriptions()).toBe(2);
    await two.stop();
    await bob.stop();
    await greetings.untilStreams(0);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });

  it('reconnects when its connection is lost', async () => {
    await using ctx = await setUp();
    const { greetings, gateway } = ctx;
    const ann = listen(gateway.connect(null).client);
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.cut();
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    greetings.greet('again');
    expect(await first).toEqual({ data: { hi: { text: 'again', by: null } } });
    expect(greetings.requested).toHaveLength(2);
  });

  it('completes when the subgraph completes it', async () => {
    await using ctx = await setUp();
    const { greetings, gateway } = ctx;
    const ann = listen(gateway.connect(null).client);
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.complete();
    expect(await first).toBe(null);
    await gateway.untilSubscribed(0);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });

  it('ends with SUBGRAPH_UNAVAILABLE when the subgraph stays down', async () => {
    const gone = await startGreetingServer();
    await gone[Symbol.asyncDispose]();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: gone[kind] } });
    const ann = listen(gateway.connect(null).client);
    await expect(ann.next()).rejects.toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } }]);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });
});

it('upstream: passes on the subgraph’s error', async () => {
  await using greetings = await startGreetingServer();
  await using gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings.socketUrl } });
  const ann = listen(gateway.connect(null).client, { by: 'nobody' });
  expect(await ann.next()).toMatchObject({ errors: [{ message: expect.stringContaining('nobody greets') }] });
  expect(await ann.next()).toBe(null);
});

it('upstream: the limit without a sign-in is per address', async () => {
  // Regression: all addresses shared one limit, so one client could block all signed-out clients.
  await using greetings = await startGreetingServer();
  await using gateway = await startTestGateway({
    subscriptionUrls: { tracking: greetings.socketUrl },
    environment: { MAX_SUBSCRIPTIONS_PER_USER: '1', TRUSTED_PROXIES: '127.0.0.1' },
  });
  const statusFrom = async (address: string) => {
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream', 'x-forwarded-for': address };
    const response = await fetch(gateway.graphqlUrl, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query: greeted }),
    });
    return response.status;
  };
  expect(await statusFrom('192.0.2.1')).toBe(200);
  expect(await statusFrom('192.0.2.1')).toBe(429);
  expect(await statusFrom('192.0.2.2')).toBe(200);
});

// Regression: an unhandled rejection of the client library's dispose() ended the process.
it.each(['ws', 'http'])('upstream: unsubscribing while the subgraph is down (%s) does not reject', async (protocol) => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  using _stop = { [Symbol.dispose]: () => process.off('unhandledRejection', onUnhandled) };
  await using silent = await startSilentServer();
  await using gateway = await startTestGateway({
    subscriptionUrls: { tracking: `${protocol}://127.0.0.1:${silent.port}` },
  });
  const ann = listen(gateway.connect(null).client);
  const first = ann.next();
  const attempt = await silent.connection();
  await ann.stop();
  expect(await first).toBe(null);
  await gateway.untilSubscribed(0);
  attempt.resetAndDestroy();
  expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'hello' });
  expect(unhandled).toHaveLength(0);
  expect(gateway.upstreamSubscriptions()).toBe(0);
});

describe('upstream: the token', () => {
  const sameUser = { sub: randomUUID(), phone_number: '+84909000001' };

  // Regression: the first subscriber's token was used for ever.
  it('is that of a current subscriber', async () => {
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings.socketUrl } });
    const { token: leaving } = await gateway.signIn('ann', sameUser);
    const { token: staying } = await gateway.signIn('ann', sameUser);
    const first = listen(gateway.connect(leaving).client);
    const answers = [first.next()];
    await greetings.untilStreams(1);
    const second = listen(gateway.connect(staying).client);
    answers.push(second.next());
    await gateway.untilSubscribed(2);
    await first.stop();
    await gateway.untilSubscribed(1);
    greetings.cut();
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    greetings.greet('again');
    expect(await answers[1]).toEqual({ data: { hi: { text: 'again', by: null } } });
    expect(greetings.requested.map(({ authorization }) => authorization)).toEqual([leaving, staying]);
  });

  it('is the one that expires last', async () => {
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings.socketUrl } });
    const expiring = (seconds: number) =>
      gateway.signIn('ann', { ...sameUser, exp: Math.floor(gateway.clock.now() / 1_000) + seconds });
    const tokens = [(await expiring(100)).token, (await expiring(500)).token, (await expiring(300)).token];
    for (const [index, token] of tokens.entries()) {
      void listen(gateway.connect(token).client).next();
      await gateway.untilSubscribed(index + 1);
    }
    await greetings.untilStreams(1);
    greetings.cut();
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    expect(greetings.requested.map(({ authorization }) => authorization)).toEqual([tokens[0], tokens[1]]);
  });
});

describe('upstream: reconnects to a subgraph that accepts and is then silent', () => {
  const environment = { UPSTREAM_CONNECT_TIMEOUT: '100ms', UPSTREAM_KEEP_ALIVE: '100ms' };
  const acknowledge = (socket: WebSocket) =>
    socket.on('message', (data) => {
      if (JSON.parse(String(data)).type === 'connection_init') socket.send('{"type":"connection_ack"}');
    });

  it.each(['ws', 'http'])('before it answers (%s)', async (protocol) => {
    await using silent = await startSilentServer();
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: `${protocol}://127.0.0.1:${silent.port}` },
      environment,
    });
    void listen(gateway.connect(null).client)
      .next()
      .catch(() => {});
    await silent.connection();
    await silent.connection();
  });

  it('without an acknowledgement', async () => {
    await using upstream = await startSocketServer(() => {});
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: upstream.url }, environment });
    void listen(gateway.connect(null).client)
      .next()
      .catch(() => {});
    await upstream.untilSockets(2);
  });

  it('without any frame on its socket', async () => {
    await using upstream = await startSocketServer(acknowledge, { autoPong: false });
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: upstream.url }, environment });
    void listen(gateway.connect(null).client)
      .next()
      .catch(() => {});
    await upstream.untilSockets(2);
  });

  it('without any byte on its event stream', async () => {
    let streams = 0;
    const two = Promise.withResolvers<void>();
    const server = createHttpServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n');
      streams += 1;
      if (streams === 2) two.resolve();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    using _stop = { [Symbol.dispose]: () => void server.close(() => {}).closeAllConnections() };
    const { port } = server.address() as AddressInfo;
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: `http://127.0.0.1:${port}` },
      environment,
    });
    void listen(gateway.connect(null).client)
      .next()
      .catch(() => {});
    await two.promise;
  });

  it('but not to one that answers pings', async () => {
    const pings = Promise.withResolvers<void>();
    let count = 0;
    await using upstream = await startSocketServer((socket) => {
      acknowledge(socket);
      socket.on('ping', () => {
        count += 1;
        if (count === 5) pings.resolve();
      });
    });
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: upstream.url }, environment });
    void listen(gateway.connect(null).client)
      .next()
      .catch(() => {});
    await pings.promise;
    expect(upstream.sockets).toBe(1);
  });
});

describe('upstream: a violation of the protocol is a lost connection', () => {
  const ack = '{"type":"connection_ack"}';
  it.each([
    ['invalid JSON', ['{']],
    ['an unknown type', ['{"type":"hello"}']],
    ['an event before the acknowledgement', ['{"id":"1","type":"next","payload":{"data":{"hi":null}}}']],
    ['a second acknowledgement', [ack, ack]],
    ['an event that is not a GraphQL response', [ack, '{"id":"1","type":"next","payload":{"data":7}}']],
    ['invalid errors', [ack, '{"id":"1","type":"next","payload":{"data":null,"errors":[7]}}']],
    ['bytes', [Buffer.from([0xff, 0xfe])]],
    ['an event that is too large', [ack, `{"id":"1","type":"next","payload":{"data":{"hi":"${'x'.repeat(2_000)}"}}}`]],
    ['a normal close', [1000]],
    ['a fatal close', [4400]],
  ])('%s', async (_what, frames) => {
    await using upstream = await startSocketServer((socket) => {
      for (const frame of frames) {
        if (typeof frame === 'number') socket.close(frame);
        else socket.send(frame);
      }
    });
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: upstream.url },
      environment: { MAX_SUBGRAPH_ANSWER_BYTES: '1024' },
    });
    const ann = listen(gateway.connect(null).client);
    await expect(ann.next()).rejects.toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE' } }]);
    // The first connection, and five retries with backoff.
    expect(upstream.sockets).toBe(6);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });

  it('an event that is too large, on an event stream', async () => {
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: greetings.eventsUrl },
      environment: { MAX_SUBGRAPH_ANSWER_BYTES: '1024' },
    });
    const ann = listen(gateway.connect(null).client);
    const first = ann.next();
    await greetings.untilStreams(1);
    for (let index = 0; index < 20; index += 1) greetings.greet('x'.repeat(200));
    expect(await first).toMatchObject({ data: { hi: { by: null } } });
    greetings.greet('x'.repeat(2_000));
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    expect(greetings.requested).toHaveLength(2);
  });
});

it('upstream: subscriptions per subgraph are limited, shared ones counted once', async () => {
  await using greetings = await startGreetingServer();
  await using gateway = await startTestGateway({
    subscriptionUrls: { tracking: greetings.socketUrl },
    environment: { MAX_UPSTREAM_SUBSCRIPTIONS: '1' },
  });
  const { client } = gateway.connect(null);
  const first = listen(client);
  const firsts = [first.next(), listen(client).next()];
  await gateway.untilSubscribed(2);
  await expect(listen(client, { by: 'bob' }).next()).rejects.toMatchObject([
    { extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } },
  ]);
  await greetings.untilStreams(1);
  greetings.complete();
  expect(await Promise.all(firsts)).toEqual([null, null]);
  const bob = listen(client, { by: 'bob' });
  void bob.next();
  await greetings.untilStreams(1);
  expect(gateway.upstreamSubscriptions()).toBe(1);
});

/** A WebSocket server whose frames the test writes. */
async function startSocketServer(onSocket: (socket: WebSocket) => void, options: { autoPong?: boolean } = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  const watchers = new Set<() => void>();
  let sockets = 0;
  server.on('connection', (socket) => {
    sockets += 1;
    socket.on('error', () => {});
    onSocket(socket);
    for (const watcher of watchers) watcher();
  });
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Number of connections so far. */
    get sockets() {
      return sockets;
    },
    untilSockets: (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (sockets >= count) resolve();
        };
        watchers.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

/** A server that accepts connections and sends nothing. */
async function startSilentServer() {
  const waiting: ((socket: Socket) => void)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => waiting.shift()?.(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** Resolves with the next connection on which data arrives. */
    connection: () => new Promise<Socket>((resolve) => void waiting.push(resolve)),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
