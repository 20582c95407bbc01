import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import type { Client } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { ask } from '../testing/clients/graphql-ws-client.ts';
import { connectReady } from '../testing/clients/raw-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';
import { move, moved } from '../testing/supergraphs/moves.ts';

describe('websocket', () => {
  it('limits operations per connection, and subscriptions per user', async () => {
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

  it('closes with 1013 at the connection limit', async () => {
    await using gateway = await startTestGateway({ environment: { MAX_CONNECTIONS: '1' } });
    const first = gateway.connect(null);
    await first.connected;
    expect(await gateway.connect(null).closed).toMatchObject({ code: 1013, reason: 'TOO_MANY_CONNECTIONS' });
    expect(first.isOpen()).toBe(true);
  });

  it('limits connections per address, with a lower limit for anonymous', async () => {
    await using gateway = await startTestGateway({
      environment: {
        TRUSTED_PROXIES: 'loopback',
        MAX_CONNECTIONS_PER_ADDRESS: '3',
        MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: '1',
      },
    });
    const { token } = await gateway.signIn();
    const sockets: WebSocket[] = [];
    /** Resolves with the acknowledgement, or with the close code and reason. */
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
    // The client retries, because the gateway notices the end of a connection with a delay.
    while ((await open('198.51.100.1', token)) !== acknowledged);
    for (let count = 1; count < 3; count += 1) expect(await open('198.51.100.1', token)).toBe(acknowledged);
    expect(await open('198.51.100.1', token)).toBe(rejected);
    for (const socket of sockets) socket.terminate();
  });

  it('closes a stalled consumer without delaying others', async () => {
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
    for (let index = 0; index < count; index += 1) await gateway.publish(move(`m${index}`, { place }));
    const cursors = [(await first).value];
    while (cursors.length < count) cursors.push((await reader.next()).value);
    expect(cursors.at(-1)).toEqual({ data: { moved: { cursor: encodeCursor(`m${count - 1}`) } } });
    // The stalled client would not read a close frame, so the gateway terminates the socket.
    await gateway.untilSubscribed(1);
    stalled.resume();
    expect([1006, 1013]).toContain(await closed);
  });
});

describe('websocket operations', () => {
  it('count against the limit until their work has ended, even if completed', async () => {
    const touched = createHold();
    let touch: KeyValue['touch'] | undefined;
    let isHeld = false;
    await using gateway = await startTestGateway({
      environment: { MAX_SUBSCRIPTIONS_PER_CONNECTION: '2' },
      keyValue: {
        async touch(...args) {
          if (isHeld) await touched.wait();
          return (await touch?.(...args)) ?? null;
        },
      },
    });
    touch = gateway.engines.keyValue.touch;
    const { token } = await gateway.signIn();
    await using client = await connectReady(gateway.socketUrl, token);
    isHeld = true;
    for (const id of ['1', '2']) {
      client.subscribe(id, '{ hello }');
      client.complete(id);
    }
    client.subscribe('3', '{ hello }');
    expect(await client.first('3')).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'RATE_LIMITED' } }],
    });
    touched.release();
    // After the client completes an operation, the operation's work runs on for a short time, and counts against the
    // limit. So the client retries until an operation succeeds.
    for (let type = 'error'; type !== 'next'; ) {
      const id = `after ${client.messages.length}`;
      client.subscribe(id, '{ hello }');
      ({ type } = await client.first(id));
    }
    expect([...client.of('1'), ...client.of('2')]).toEqual([]);
  });
});
