import { describe, expect, it } from 'vitest';
import { messagesOfQuery, startSocketServer } from '../testing/servers/socket-server.ts';

// The test cases follow the server tests of graphql-ws.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

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
    expect([await client.next(), await client.next()]).toEqual(messagesOfQuery('1'));
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
    // The id of an ended operation can be used again.
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
