import { CodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { sessionKey } from '@voucher-gateway/schema/session';
import { describe, expect, it } from 'vitest';
import { ask, subscribeToMoves } from '../testing/clients/graphql-ws-client.ts';
import { connectReady } from '../testing/clients/raw-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';
import { startSubgraph } from '../testing/servers/subgraph.ts';
import { move } from '../testing/supergraphs/moves.ts';

describe('websocket', () => {
  it('closes with 4403 when its session is idle; pings don’t count', async () => {
    await using gateway = await startTestGateway();
    const connection = gateway.connect((await gateway.signIn()).token);
    const { first } = await subscribeToMoves(connection.client);
    first.catch(() => {});
    gateway.clock.advance(599_000);
    expect(await ask(connection.client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
    gateway.clock.advance(599_000);
    expect(await ask(connection.client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
    gateway.clock.advance(601_000);
    expect(await connection.closed).toMatchObject({ code: 4403 });
  });

  it('stays open if its session is active at another gateway', async () => {
    await using gateway = await startTestGateway();
    const ann = await gateway.signIn();
    const connection = gateway.connect(ann.token);
    await connection.connected;
    gateway.clock.advance(500_000);
    await gateway.engines.keyValue.touch(`session:${ann.sid}`, { ttlMs: 600_000 });
    gateway.clock.advance(200_000);
    expect(await ask(connection.client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
  });

  it('closes on sign-out anywhere, and on revocation of the key', async () => {
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

  it('closes at every gateway at the session’s end', async () => {
    await using gateway = await startTestGateway();
    await using second = await gateway.start();
    await using third = await gateway.start();
    const ann = await gateway.signIn('ann');
    const bob = await gateway.signIn('bob');
    const urls = [gateway, second, third].map(({ url }) => `${url.replace('http', 'ws')}/graphql`);
    const sockets = urls.map((url) => gateway.connect(ann.token, { url }));
    const others = urls.map((url) => gateway.connect(bob.token, { url }));
    await Promise.all([...sockets, ...others].map(({ connected }) => connected));
    await gateway.endSession({ sid: ann.sid });
    for (const { closed } of sockets)
      expect(await closed).toMatchObject({ code: 4403, reason: 'The session has ended' });
    expect(others.every(({ isOpen }) => isOpen())).toBe(true);
  });

  it('a request that races the sign-out does not recreate the session', async () => {
    const touched = createHold();
    let holds = false;
    let touch: KeyValue['touch'] | undefined;
    await using gateway = await startTestGateway({
      keyValue: {
        async touch(...input) {
          if (!touch) throw new Error('not set up');
          const session = await touch(...input);
          if (holds) await touched.wait();
          return session;
        },
      },
    });
    touch = gateway.engines.keyValue.touch;
    const { token, sid } = await gateway.signIn('ann');
    const { client, closed, connected } = gateway.connect(token);
    await connected;
    holds = true;
    const requested = ask(client, { query: '{ hello }' });
    await touched.reached;
    // At this point `touch` has already read the session from the store. `touch` returns only after the session has
    // ended.
    await gateway.engines.keyValue.delete(sessionKey(sid));
    await gateway.endSession({ sid });
    expect(await closed).toMatchObject({ code: 4403 });
    holds = false;
    touched.release();
    expect(await requested).toMatchObject({ errors: { code: 4403 } });
    expect(await gateway.engines.keyValue.get(sessionKey(sid))).toBeNull();
    expect(await gateway.connect(token).closed).toMatchObject({ code: 4403, reason: 'SESSION_EXPIRED' });
  });

  it('closes when the session store was flushed', async () => {
    await using gateway = await startTestGateway();
    const { token, sid } = await gateway.signIn('ann');
    const { client, closed, connected } = gateway.connect(token);
    await connected;
    await gateway.engines.keyValue.delete(sessionKey(sid));
    await ask(client, { query: '{ hello }' });
    expect(await closed).toMatchObject({ code: 4403, reason: 'The session has ended' });
  });

  it('stays open to its last known deadline without a session store', async () => {
    const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
    await using gateway = await startTestGateway({ keyValue: { peek: away } });
    const connection = gateway.connect((await gateway.signIn()).token);
    await connection.connected;
    gateway.clock.advance(599_000);
    expect(connection.isOpen()).toBe(true);
    gateway.clock.advance(2_000);
    expect(await connection.closed).toMatchObject({ code: 4403 });
  });
});

describe('websocket operations', () => {
  it('are answered before the socket closes at the end of the session', async () => {
    // Regression: `signOut` ended the session and the socket before the client got the result of `signOut`.
    const names = createHold();
    await using gateway = await startTestGateway();
    gateway.world.onName = names.wait;
    const { token, sid } = await gateway.signIn();
    gateway.world.stored = [move('m1')];
    await using client = await connectReady(gateway.socketUrl, token);
    client.subscribe('events', 'subscription { moved { node { place } } }');
    await gateway.untilSubscribed(1);
    const after = encodeCursor(null);
    client.subscribe(
      'answer',
      `{ moves(customer: "ann", first: 1, after: "${after}") { edges { node { recipient { name } } } } }`,
    );
    await names.reached;
    await gateway.endSession({ sid });
    await gateway.untilSubscribed(0);
    await gateway.publish(move('m2'));
    client.subscribe('late', '{ hello }');
    names.release();
    expect(await client.closed).toBe('4403 The session has ended');
    expect(client.messages.filter(({ id }) => id !== undefined).map(({ id, type }) => [id, type])).toEqual([
      ['answer', 'next'],
      ['answer', 'complete'],
    ]);
  });

  it('that take long do not keep the socket open after the end of the session', async () => {
    await using subgraph = await startSubgraph();
    await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
    const { token, sid } = await gateway.signIn();
    await using client = await connectReady(gateway.socketUrl, token);
    client.subscribe('1', '{ hello }');
    const call = await subgraph.call(1);
    const aborted = new Promise((resolve) => call.once('close', resolve));
    await gateway.endSession({ sid });
    expect(await client.closed).toBe('4403 The session has ended');
    await aborted;
  });
});
