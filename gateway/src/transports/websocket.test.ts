import { once } from 'node:events';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { sessionKey } from '@voucher-gateway/schema/session';
import type { Client, SubscribePayload } from 'graphql-ws';
import { expect, it } from 'vitest';
import WebSocket from 'ws';
import { startTestGateway } from '../testing/gateway.ts';

type Result = { data?: unknown; errors?: readonly { message: string; extensions?: Record<string, unknown> }[] };

/** The operation's only result; an `error` message counts as a result with errors. */
async function ask(client: Client, payload: SubscribePayload): Promise<Result> {
  try {
    for await (const result of client.iterate(payload)) return JSON.parse(JSON.stringify(result));
    return {};
  } catch (errors) {
    return { errors: errors as Result['errors'] };
  }
}

const moved = 'subscription { moved { cursor node { place recipient { name } } } }';
const move = (id: string, customer = 'ann') => ({ id, parcel: 'p1', customer, place: 'Hue', recipient: { id: 'bob' } });

/** Subscribes, and resolves once the subscription is active. */
async function subscribe(client: Client) {
  const events = client.iterate<{ moved: { cursor: string } }>({ query: moved });
  const first = events.next();
  // The server handles a socket's messages in order: once this is answered the subscription is active.
  await ask(client, { query: '{ hello }' });
  return { first };
}

it('websocket: streams a topic’s events across subgraphs to their subscriber', async () => {
  await using gateway = await startTestGateway();
  const ann = gateway.connect((await gateway.signIn('ann')).token);
  const bob = gateway.connect((await gateway.signIn('bob')).token);
  const toAnn = await subscribe(ann.client);
  const toBob = await subscribe(bob.client);
  await gateway.publish(move('m1', 'ann'));
  await gateway.publish(move('m2', 'bob'));
  const event = (id: string) => ({
    data: { moved: { cursor: encodeCursor(id), node: { place: 'Hue', recipient: { name: 'name of bob' } } } },
  });
  expect((await toAnn.first).value).toEqual(event('m1'));
  expect((await toBob.first).value).toEqual(event('m2'));
});

it.each(['authorization', 'Authorization', 'AUTHORIZATION'])(
  'websocket: reads the token from the key %s, with or without Bearer',
  async (key) => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn();
    for (const input of [token, `Bearer ${token}`, `bearer ${token}`]) {
      const { client } = gateway.connect(input, { key });
      expect(await ask(client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
      expect(gateway.calls.at(-1)?.headers.authorization).toBe(input);
    }
  },
);

it('websocket: answers queries and mutations, also signed out', async () => {
  await using gateway = await startTestGateway();
  const { client } = gateway.connect(null);
  expect(await ask(client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
  expect(
    await ask(client, { query: 'mutation Greet($name: String!) { greet(name: $name) }', variables: { name: 'Ann' } }),
  ).toEqual({ data: { greet: 'hello Ann' } });
  expect(await ask(client, { query: moved })).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
});

it.each([
  ['not GraphQL', { query: '{' }, 'GRAPHQL_PARSE_FAILED'],
  ['an unknown field', { query: '{ nope }' }, 'GRAPHQL_VALIDATION_FAILED'],
  ['an unknown operation', { query: 'query A { hello }', operationName: 'B' }, 'OPERATION_RESOLUTION_FAILURE'],
  ['several operations and no name', { query: 'query A { hello } query B { hello }' }, 'OPERATION_RESOLUTION_FAILURE'],
  [
    'a variable of another type',
    { query: 'query ($n: Int) { moves(first: $n) { edges { cursor } } }', variables: { n: 'x' } },
    'BAD_USER_INPUT',
  ],
  [
    'a subscription’s variable of another type',
    { query: 'subscription ($p: ID) { moved(parcel: $p) { cursor } }', variables: { p: { no: 1 } } },
    'BAD_USER_INPUT',
  ],
  ['an invalid cursor', { query: 'subscription { moved(after: "x") { cursor } }' }, 'CURSOR_INVALID'],
])('websocket: refuses %s with a code, and stays open', async (_what, payload, code) => {
  await using gateway = await startTestGateway();
  const { client } = gateway.connect((await gateway.signIn()).token);
  expect(await ask(client, payload)).toMatchObject({ errors: [{ extensions: { code } }] });
  expect(await ask(client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
});

it('websocket: closes with 4403 on an invalid token', async () => {
  await using gateway = await startTestGateway();
  const { token } = await gateway.signIn();
  expect(await gateway.connect(`${token}x`).closed).toMatchObject({ code: 4403, reason: 'UNAUTHENTICATED' });
  gateway.clock.advance(601_000);
  expect(await gateway.connect(token).closed).toMatchObject({ code: 4403, reason: 'SESSION_EXPIRED' });
});

it('websocket: closes with 1013, which clients retry, without a session store', async () => {
  const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
  await using gateway = await startTestGateway({ keyValue: { touch: away } });
  const { token } = await gateway.signIn();
  expect(await gateway.connect(token).closed).toMatchObject({ code: 1013, reason: 'SESSION_STORE_UNAVAILABLE' });
});

it('websocket: closes with 4408 without connection_init, 4406 on other protocols', async () => {
  await using gateway = await startTestGateway();
  expect(await closeCode(new WebSocket(gateway.socketUrl, 'graphql-transport-ws'))).toBe(4408);
  expect(await closeCode(new WebSocket(gateway.socketUrl))).toBe(4406);
  const choosy = new WebSocket(gateway.socketUrl, ['other', 'graphql-transport-ws']);
  choosy.on('open', () => choosy.close(1000));
  expect(await closeCode(choosy)).toBe(1000);
  expect(choosy.protocol).toBe('graphql-transport-ws');
});

it('websocket: closes with 4401 before connection_init, 4400 on invalid messages', async () => {
  await using gateway = await startTestGateway();
  const early = new WebSocket(gateway.socketUrl, 'graphql-transport-ws');
  early.on('open', () => early.send('{"id":"1","type":"subscribe","payload":{"query":"{ hello }"}}'));
  expect(await closeCode(early)).toBe(4401);
  const garbled = new WebSocket(gateway.socketUrl, 'graphql-transport-ws');
  garbled.on('open', () => garbled.send('hello'));
  expect(await closeCode(garbled)).toBe(4400);
});

it.each([
  ['a ping’s payload', 4400, `{"type":"ping","payload":"${'漢'.repeat(60)}"}`],
  ['a ping’s payload of four-byte characters', 4400, `{"type":"ping","payload":"${'𠮷'.repeat(60)}"}`],
  ['an unknown type', 4400, `{"type":"${'漢'.repeat(60)}"}`],
  ['a lone surrogate', 4400, `{"type":"${'\\ud800'.repeat(60)}"}`],
  ['an id that is used twice', 4409, ...subscribeTwice('漢'.repeat(200))],
])('websocket: truncates a close reason that is too long: %s', async (_what, code, first, ...rest) => {
  // Regression: `ws` throws for a reason of more than 123 bytes, which ended the process.
  await using gateway = await startTestGateway();
  const socket = new WebSocket(gateway.socketUrl, 'graphql-transport-ws');
  socket.on('open', () => socket.send(first));
  socket.on('message', () => {
    for (const message of rest) socket.send(message);
  });
  const [closedWith, reason] = (await once(socket, 'close')) as [number, Buffer];
  expect(closedWith).toBe(code);
  expect(reason.length).toBeGreaterThan(115);
  expect(() => new TextDecoder('utf-8', { fatal: true }).decode(reason)).not.toThrow();
  expect(await ask(gateway.connect(null).client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
});

/** The messages of a client that uses an id twice. */
function subscribeTwice(id: string): string[] {
  const subscribe = JSON.stringify({ id, type: 'subscribe', payload: { query: '{ hello }' } });
  return ['{"type":"connection_init"}', subscribe, subscribe];
}

it('websocket: closes with 1009 on a message over the limit', async () => {
  await using gateway = await startTestGateway();
  const socket = new WebSocket(gateway.socketUrl, 'graphql-transport-ws');
  socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { x: 'x'.repeat(70_000) } })));
  expect(await closeCode(socket)).toBe(1009);
});

it('websocket: refuses the upgrade on another path, and to a foreign page', async () => {
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

it('websocket: closes with 4403 when its session is idle; pings don’t count', async () => {
  await using gateway = await startTestGateway();
  const connection = gateway.connect((await gateway.signIn()).token);
  const { first } = await subscribe(connection.client);
  first.catch(() => {});
  gateway.clock.advance(599_000);
  expect(await ask(connection.client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
  gateway.clock.advance(599_000);
  expect(await ask(connection.client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
  gateway.clock.advance(601_000);
  expect(await connection.closed).toMatchObject({ code: 4403 });
});

it('websocket: stays open if its session is active at another gateway', async () => {
  await using gateway = await startTestGateway();
  const ann = await gateway.signIn();
  const connection = gateway.connect(ann.token);
  await connection.connected;
  gateway.clock.advance(500_000);
  await gateway.engines.keyValue.touch(`session:${ann.sid}`, { ttlMs: 600_000 });
  gateway.clock.advance(200_000);
  expect(await ask(connection.client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
});

it('websocket: closes on sign-out anywhere, and on revocation of the key', async () => {
  await using gateway = await startTestGateway();
  const ann = await gateway.signIn('ann');
  const bob = await gateway.signIn('bob');
  const sockets = [gateway.connect(ann.token), gateway.connect(ann.token)];
  const other = gateway.connect(bob.token);
  await Promise.all([...sockets, other].map(({ connected }) => connected));
  await gateway.endSession({ sid: ann.sid });
  for (const { closed } of sockets) expect(await closed).toMatchObject({ code: 4403 });
  expect(await ask(other.client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
  await gateway.endSession({ kid: gateway.issuer.kid });
  expect(await other.closed).toMatchObject({ code: 4403 });
});

it('websocket: closes at every gateway within a second of the session’s end', async () => {
  await using gateway = await startTestGateway();
  await using second = await gateway.start();
  await using third = await gateway.start();
  const ann = await gateway.signIn('ann');
  const bob = await gateway.signIn('bob');
  const urls = [gateway, second, third].map(({ url }) => `${url.replace('http', 'ws')}/graphql`);
  const sockets = urls.map((url) => gateway.connect(ann.token, { url }));
  const others = urls.map((url) => gateway.connect(bob.token, { url }));
  await Promise.all([...sockets, ...others].map(({ connected }) => connected));
  const endedAt = performance.now();
  await gateway.endSession({ sid: ann.sid });
  for (const { closed } of sockets) expect(await closed).toMatchObject({ code: 4403, reason: 'The session has ended' });
  expect(performance.now() - endedAt).toBeLessThan(1_000);
  expect(others.every(({ isOpen }) => isOpen())).toBe(true);
});

it('websocket: a request that races the sign-out does not recreate the session', async () => {
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let holds = false;
  let touch: KeyValue['touch'] | undefined;
  await using gateway = await startTestGateway({
    keyValue: {
      async touch(...input) {
        if (!touch) throw new Error('not set up');
        const touched = await touch(...input);
        if (holds) {
          reached.resolve();
          await goOn.promise;
        }
        return touched;
      },
    },
  });
  touch = gateway.engines.keyValue.touch;
  const { token, sid } = await gateway.signIn('ann');
  const { client, closed, connected } = gateway.connect(token);
  await connected;
  holds = true;
  const requested = ask(client, { query: '{ hello }' });
  await reached.promise;
  // The touch has read the session, and returns after it has ended.
  await gateway.engines.keyValue.delete(sessionKey(sid));
  await gateway.endSession({ sid });
  expect(await closed).toMatchObject({ code: 4403 });
  holds = false;
  goOn.resolve();
  expect(await requested).toMatchObject({ errors: { code: 4403 } });
  expect(await gateway.engines.keyValue.get(sessionKey(sid))).toBeNull();
  expect(await gateway.connect(token).closed).toMatchObject({ code: 4403, reason: 'SESSION_EXPIRED' });
});

it('websocket: closes when the session store was flushed', async () => {
  await using gateway = await startTestGateway();
  const { token, sid } = await gateway.signIn('ann');
  const { client, closed, connected } = gateway.connect(token);
  await connected;
  await gateway.engines.keyValue.delete(sessionKey(sid));
  await ask(client, { query: '{ hello }' });
  expect(await closed).toMatchObject({ code: 4403, reason: 'The session has ended' });
});

it('websocket: stays open to its last known deadline without a session store', async () => {
  const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
  await using gateway = await startTestGateway({ keyValue: { peek: away } });
  const connection = gateway.connect((await gateway.signIn()).token);
  await connection.connected;
  gateway.clock.advance(599_000);
  expect(connection.isOpen()).toBe(true);
  gateway.clock.advance(2_000);
  expect(await connection.closed).toMatchObject({ code: 4403 });
});

it('websocket: closes with 1001, which clients retry, at shutdown', async () => {
  await using gateway = await startTestGateway();
  const connection = gateway.connect((await gateway.signIn()).token);
  await connection.connected;
  await gateway.stop();
  expect(await connection.closed).toMatchObject({ code: 1001 });
});

function closeCode(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.on('close', resolve));
}

it('websocket: limits operations per connection, and subscriptions per user', async () => {
  await using gateway = await startTestGateway({
    environment: { MAX_SUBSCRIPTIONS_PER_CONNECTION: '2', MAX_SUBSCRIPTIONS_PER_USER: '3' },
  });
  const { token } = await gateway.signIn('ann');
  const { token: other } = await gateway.signIn('bob');
  const limited = { errors: undefined, extensions: { code: 'RATE_LIMITED' } };
  const open = async (client: Client, count: number) => {
    const events = Array.from({ length: count }, () => client.iterate({ query: moved }));
    const firsts = events.map((each) => each.next());
    for (const first of firsts) first.catch(() => {});
    return { events, firsts };
  };
  const one = gateway.connect(token).client;
  await open(one, 2);
  await gateway.untilSubscribed(2);
  expect((await ask(one, { query: '{ hello }' })).errors).toMatchObject([{ extensions: limited.extensions }]);

  const two = gateway.connect(token).client;
  const { events } = await open(two, 1);
  await gateway.untilSubscribed(3);
  expect((await ask(two, { query: moved })).errors).toMatchObject([{ extensions: limited.extensions }]);
  await open(gateway.connect(other).client, 1);
  await gateway.untilSubscribed(4);

  await events[0]?.return?.();
  await gateway.untilSubscribed(3);
  await open(two, 1);
  await gateway.untilSubscribed(4);
});

it('websocket: closes with 1013 at the connection limit', async () => {
  await using gateway = await startTestGateway({ environment: { MAX_CONNECTIONS: '1' } });
  const first = gateway.connect(null);
  await first.connected;
  expect(await gateway.connect(null).closed).toMatchObject({ code: 1013, reason: 'TOO_MANY_CONNECTIONS' });
  expect(first.isOpen()).toBe(true);
});

it('websocket: limits connections per address, with a lower limit for anonymous', async () => {
  await using gateway = await startTestGateway({
    environment: {
      TRUSTED_PROXIES: 'loopback',
      MAX_CONNECTIONS_PER_ADDRESS: '3',
      MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: '1',
    },
  });
  const { token } = await gateway.signIn();
  const sockets: WebSocket[] = [];
  /** Resolves with the acknowledgement, or the reason of the close. */
  const open = (address: string, authorization?: string) => {
    const socket = new WebSocket(gateway.socketUrl, 'graphql-transport-ws', {
      headers: { 'x-forwarded-for': address },
    });
    sockets.push(socket);
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization } })));
    return new Promise<string>((resolve) => {
      socket.on('message', (data) => resolve(String(data)));
      socket.on('close', (code, reason) => resolve(`${code} ${reason}`));
    });
  };
  const acknowledged = '{"type":"connection_ack"}';
  const rejected = '1013 TOO_MANY_CONNECTIONS';
  expect(await open('198.51.100.1')).toBe(acknowledged);
  expect(await open('198.51.100.1')).toBe(rejected);
  expect(await open('198.51.100.2')).toBe(acknowledged);
  sockets[0]?.terminate();
  await expect.poll(() => open('198.51.100.1', token)).toBe(acknowledged);
  for (let count = 1; count < 3; count += 1) expect(await open('198.51.100.1', token)).toBe(acknowledged);
  expect(await open('198.51.100.1', token)).toBe(rejected);
  for (const socket of sockets) socket.terminate();
});

it('websocket: closes a stalled consumer without delaying others', async () => {
  await using gateway = await startTestGateway({ environment: { MAX_BUFFERED_BYTES: '65536' } });
  const { token } = await gateway.signIn('ann');
  const stalled = new WebSocket(gateway.socketUrl, 'graphql-transport-ws');
  const closed = new Promise<number>((resolve) => stalled.once('close', resolve));
  stalled.once('open', () =>
    stalled.send(JSON.stringify({ type: 'connection_init', payload: { authorization: token } })),
  );
  stalled.once('message', () =>
    stalled.send(
      JSON.stringify({ id: '1', type: 'subscribe', payload: { query: 'subscription { moved { node { place } } }' } }),
    ),
  );
  await gateway.untilSubscribed(1);
  stalled.pause();
  const reader = gateway.connect(token).client.iterate<{ moved: { node: { id: string } } }>({
    query: 'subscription { moved { cursor } }',
  });
  const first = reader.next();
  await gateway.untilSubscribed(2);
  const place = 'x'.repeat(200_000);
  const count = 100;
  for (let index = 0; index < count; index += 1) await gateway.publish({ ...move(`m${index}`), place });
  const cursors = [(await first).value];
  while (cursors.length < count) cursors.push((await reader.next()).value);
  expect(cursors.at(-1)).toEqual({ data: { moved: { cursor: encodeCursor(`m${count - 1}`) } } });
  // It is terminated, because it would not read the close frame.
  await gateway.untilSubscribed(1);
  stalled.resume();
  expect([1006, 1013]).toContain(await closed);
});

it('websocket: in the drain, refuses new sockets and answers running operations', async () => {
  await using gateway = await startTestGateway({ environment: { DRAIN_WINDOW: '1s' } });
  const { token } = await gateway.signIn('ann');
  const name = Promise.withResolvers<void>();
  const requested = Promise.withResolvers<void>();
  gateway.world.stored = [move('m1')];
  gateway.world.onName = () => {
    requested.resolve();
    return name.promise;
  };
  const { client, closed } = gateway.connect(token);
  const answer = ask(client, {
    query: `{ moves(customer: "ann", first: 1, after: "${encodeCursor(null)}") { edges { node { recipient { name } } } } }`,
  });
  await requested.promise;
  const stopped = gateway.stop();
  expect((await fetch(gateway.url.concat('/health/ready'))).status).toBe(503);
  expect((await gateway.connect(token).closed).code).toBe(1006);
  name.resolve();
  expect(await answer).toEqual({ data: { moves: { edges: [{ node: { recipient: { name: 'name of bob' } } }] } } });
  expect(await closed).toMatchObject({ code: 1001 });
  await stopped;
});
