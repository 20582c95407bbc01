import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Client } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';
import { startGreetingServer } from '../testing/greeting-server.ts';

const greeted = 'subscription ($by: ID) { hi: greeted(by: $by) { text by { name } } }';

/** A subscriber whose answers are read one by one. */
function listen(client: Client, variables: Record<string, unknown> = {}, query = greeted) {
  const answers = client.iterate({ query, variables });
  const next = async () => JSON.parse(JSON.stringify((await answers.next()).value ?? null));
  return { next, stop: async () => void (await answers.return?.()) };
}

describe.each(['socketUrl', 'eventsUrl'] as const)('a subgraph’s own subscription, at its %s', (kind) => {
  const setUp = async () => {
    const greetings = await startGreetingServer();
    const gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings[kind] } });
    const resources = new AsyncDisposableStack();
    resources.use(greetings);
    resources.use(gateway);
    return { greetings, gateway, [Symbol.asyncDispose]: () => resources.disposeAsync() };
  };

  it('is streamed, with the other subgraphs’ fields fetched for each event, and the subscriber’s token passed on', async () => {
    await using set = await setUp();
    const { greetings, gateway } = set;
    const { token } = await gateway.signIn('ann');
    const ann = listen(gateway.connect(token).client, { by: 'bob' });
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.greet('hello', 'bob');
    expect(await first).toEqual({ data: { hi: { text: 'hello', by: { name: 'name of bob' } } } });
    expect(greetings.asked).toEqual([{ by: 'bob', authorization: token }]);
  });

  it('is shared by equal ones, and ends at the subgraph when the last of them leaves', async () => {
    await using set = await setUp();
    const { greetings, gateway } = set;
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

  it('is subscribed again when its connection is lost', async () => {
    await using set = await setUp();
    const { greetings, gateway } = set;
    const ann = listen(gateway.connect(null).client);
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.cut();
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    greetings.greet('again');
    expect(await first).toEqual({ data: { hi: { text: 'again', by: null } } });
    expect(greetings.asked).toHaveLength(2);
  });

  it('completes when the subgraph completes it', async () => {
    await using set = await setUp();
    const { greetings, gateway } = set;
    const ann = listen(gateway.connect(null).client);
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.complete();
    expect(await first).toBe(null);
    await gateway.untilSubscribed(0);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });

  it('ends with SUBGRAPH_UNAVAILABLE when the subgraph stays away', async () => {
    const gone = await startGreetingServer();
    await gone[Symbol.asyncDispose]();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: gone[kind] } });
    const ann = listen(gateway.connect(null).client);
    await expect(ann.next()).rejects.toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } }]);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });
});

it('passes on the subgraph’s own refusal', async () => {
  await using greetings = await startGreetingServer();
  await using gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings.socketUrl } });
  const ann = listen(gateway.connect(null).client, { by: 'nobody' });
  expect(await ann.next()).toMatchObject({ errors: [{ message: expect.stringContaining('nobody greets') }] });
  expect(await ann.next()).toBe(null);
});

// The client library's dispose() rejected here, and nobody caught it: the process ended.
it.each(['ws', 'http'])('upstream: leaving while the subgraph is away (%s) leaves no rejection', async (protocol) => {
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

/** A server that takes connections and says nothing. */
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
    /** The next connection that something is sent over. */
    connection: () => new Promise<Socket>((resolve) => void waiting.push(resolve)),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
