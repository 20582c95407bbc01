import { once } from 'node:events';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { startTestGateway } from '../testing/gateway.ts';
import { startSilentSubgraph } from '../testing/silent-subgraph.ts';
import { ClientSocket } from './client-socket.ts';

const moved = 'subscription { moved { cursor node { place recipient { name } } } }';
const move = (id: string) => ({ id, parcel: 'p1', customer: 'ann', place: 'Hue', recipient: { id: 'bob' } });

/** An acknowledged client that sends the test's messages. */
async function connect(url: string, authorization?: string) {
  const socket = new WebSocket(url, 'graphql-transport-ws');
  const messages: { id?: string; type: string; payload?: unknown }[] = [];
  const closed = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`);
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  await once(socket, 'open');
  const send = (message: object) => socket.send(JSON.stringify(message));
  send({ type: 'connection_init', payload: { authorization } });
  await once(socket, 'message');
  return {
    socket,
    messages,
    closed,
    send,
    subscribe: (id: string, query: string) => send({ id, type: 'subscribe', payload: { query } }),
    complete: (id: string) => send({ id, type: 'complete' }),
    /** Resolves with the first message of this id. */
    async first(id: string) {
      for (;;) {
        const message = messages.find((each) => each.id === id);
        if (message) return message;
        await once(socket, 'message');
      }
    },
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await closed;
    },
  };
}

const limited = { type: 'error', payload: [{ extensions: { code: 'RATE_LIMITED' } }] };

describe('websocket operations', () => {
  it('are not read while earlier ones of their socket wait for their turn', async () => {
    await using gateway = await startTestGateway();
    const hold = vi.spyOn(ClientSocket.prototype, 'pauseReading');
    await using client = await connect(gateway.socketUrl);
    for (let index = 0; index < 20; index += 1)
      client.subscribe(`${index}`, `query Q${index} { ${'hello '.repeat(4_000)} } }`);
    const refused = { type: 'error', payload: [{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }] };
    for (let index = 0; index < 20; index += 1) expect(await client.first(`${index}`)).toMatchObject(refused);
    expect(hold).toHaveBeenCalled();
    hold.mockRestore();
  });

  it('complete after a result larger than the buffer limit', async () => {
    // Regression: the result counted against the limit of its own `complete`, and the socket was closed with TOO_SLOW.
    await using gateway = await startTestGateway({ environment: { MAX_BUFFERED_BYTES: '16384' } });
    const place = 'x'.repeat(8_000_000);
    gateway.world.stored = [{ ...move('m1'), place }];
    await using client = await connect(gateway.socketUrl);
    client.subscribe('1', '{ moves(customer: "ann", first: 1, after: "djE6") { edges { node { place } } } }');
    client.subscribe('2', '{ hello }');
    await expect
      .poll(() => client.messages.filter(({ id }) => id === '1').map(({ type }) => type))
      .toEqual(['next', 'complete']);
    expect(JSON.stringify(await client.first('1')).includes(place)).toBe(true);
    expect(await client.first('2')).toMatchObject({ type: 'next', payload: { data: { hello: 'hello' } } });
    expect(client.socket.readyState).toBe(WebSocket.OPEN);
  });

  it.each([
    ['completes it', async (client: Awaited<ReturnType<typeof connect>>) => client.complete('1')],
    ['closes its socket', async (client: Awaited<ReturnType<typeof connect>>) => client.socket.close()],
    ['is gone', async (client: Awaited<ReturnType<typeof connect>>) => client.socket.terminate()],
  ])('abort their subgraph calls when the client %s', async (_how, leave) => {
    await using subgraph = await startSilentSubgraph();
    await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
    await using client = await connect(gateway.socketUrl);
    client.subscribe('1', '{ hello }');
    const call = await subgraph.request(1);
    const closed = new Promise((resolve) => call.once('close', resolve));
    await leave(client);
    await closed;
    expect(call.writableFinished).toBe(false);
    expect(client.messages.filter(({ id }) => id === '1')).toEqual([]);
    expect(gateway.log.text).not.toContain('a subgraph failed');
  });

  it('count against the limit until their work has ended, even if completed', async () => {
    const goOn = Promise.withResolvers<void>();
    let touch: KeyValue['touch'] | undefined;
    let isHeld = false;
    await using gateway = await startTestGateway({
      environment: { MAX_SUBSCRIPTIONS_PER_CONNECTION: '2' },
      keyValue: {
        async touch(...args) {
          if (isHeld) await goOn.promise;
          return (await touch?.(...args)) ?? null;
        },
      },
    });
    touch = gateway.engines.keyValue.touch;
    const { token } = await gateway.signIn();
    await using client = await connect(gateway.socketUrl, token);
    isHeld = true;
    for (const id of ['1', '2']) {
      client.subscribe(id, '{ hello }');
      client.complete(id);
    }
    client.subscribe('3', '{ hello }');
    expect(await client.first('3')).toMatchObject(limited);
    goOn.resolve();
    await expect
      .poll(async () => {
        const id = `poll ${client.messages.length}`;
        client.subscribe(id, '{ hello }');
        return (await client.first(id)).type;
      })
      .toBe('next');
    expect(client.messages.filter(({ id }) => id === '1' || id === '2')).toEqual([]);
  });

  it('may reuse an id once the client has completed it', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn();
    gateway.world.stored = [move('m1')];
    await using client = await connect(gateway.socketUrl, token);
    client.subscribe('1', moved);
    await gateway.untilSubscribed(1);
    client.complete('1');
    client.subscribe('1', '{ hello }');
    expect(await client.first('1')).toEqual({ id: '1', type: 'next', payload: { data: { hello: 'hello' } } });
    await gateway.untilSubscribed(0);
  });

  it('get a shared event, even if the operation that it is fetched for ends', async () => {
    const name = Promise.withResolvers<void>();
    const requested = Promise.withResolvers<void>();
    await using gateway = await startTestGateway();
    gateway.world.onName = () => {
      requested.resolve();
      return name.promise;
    };
    const { token } = await gateway.signIn();
    await using first = await connect(gateway.socketUrl, token);
    await using second = await connect(gateway.socketUrl, token);
    first.subscribe('1', moved);
    await gateway.untilSubscribed(1);
    second.subscribe('1', moved);
    await gateway.untilSubscribed(2);
    await gateway.publish(move('m1'));
    await requested.promise;
    first.socket.terminate();
    await gateway.untilSubscribed(1);
    name.resolve();
    expect(await second.first('1')).toMatchObject({
      payload: { data: { moved: { node: { recipient: { name: 'name of bob' } } } } },
    });
  });

  it('are answered before the socket closes at the end of the session', async () => {
    // Regression: signOut ends its own session, and its result was lost with the socket.
    const name = Promise.withResolvers<void>();
    const requested = Promise.withResolvers<void>();
    await using gateway = await startTestGateway();
    gateway.world.onName = () => {
      requested.resolve();
      return name.promise;
    };
    const { token, sid } = await gateway.signIn();
    gateway.world.stored = [move('m1')];
    await using client = await connect(gateway.socketUrl, token);
    client.subscribe('events', 'subscription { moved { node { place } } }');
    await gateway.untilSubscribed(1);
    const after = encodeCursor(null);
    client.subscribe(
      'answer',
      `{ moves(customer: "ann", first: 1, after: "${after}") { edges { node { recipient { name } } } } }`,
    );
    await requested.promise;
    await gateway.endSession({ sid });
    await gateway.untilSubscribed(0);
    await gateway.publish(move('m2'));
    client.subscribe('late', '{ hello }');
    name.resolve();
    expect(await client.closed).toBe('4403 The session has ended');
    expect(client.messages.filter(({ id }) => id !== undefined).map(({ id, type }) => [id, type])).toEqual([
      ['answer', 'next'],
      ['answer', 'complete'],
    ]);
  });

  it('that take long do not keep the socket open after the end of the session', async () => {
    await using subgraph = await startSilentSubgraph();
    await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
    const { token, sid } = await gateway.signIn();
    await using client = await connect(gateway.socketUrl, token);
    client.subscribe('1', '{ hello }');
    const call = await subgraph.request(1);
    const aborted = new Promise((resolve) => call.once('close', resolve));
    await gateway.endSession({ sid });
    expect(await client.closed).toBe('4403 The session has ended');
    await aborted;
  });
});

it('websocket: handles one message of a socket per turn of the event loop', async () => {
  // Regression: all messages of a chunk were handled in one turn, so a socket with many operations delayed all others.
  await using gateway = await startTestGateway();
  const socket = new WebSocket(gateway.socketUrl, 'graphql-transport-ws');
  await once(socket, 'open');
  let pongs = 0;
  const answered = Promise.withResolvers<void>();
  socket.on('message', () => {
    pongs += 1;
    if (pongs === 500) answered.resolve();
  });
  for (let index = 0; index < 500; index += 1) socket.send('{"type":"ping"}');
  let turns = 0;
  let isAnswered = false;
  void answered.promise.then(() => {
    isAnswered = true;
  });
  for (; !isAnswered; turns += 1) await new Promise(setImmediate);
  expect(turns).toBeGreaterThan(450);
  socket.terminate();
});
