import { describe, expect, it } from 'vitest';
import { messagesOfQuery, startSocketServer } from '../testing/servers/socket-server.ts';

// The test cases follow the server tests of graphql-ws.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

/** Sends a text on one of two sockets. Expects that this socket is closed, and that the other is still served. */
async function expectOnlyItsSocketCloses(text: string): Promise<void> {
  await using server = await startSocketServer();
  await using other = await server.connectReady();
  await using client = await server.connectReady();
  client.send(text);
  expect(await client.closed).toMatch(/^4400 ./);
  other.subscribe('1');
  expect([await other.next(), await other.next()]).toEqual(messagesOfQuery('1'));
}

describe('invalid message: closes its socket, and no other', () => {
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
  ])('`%s`', (text) => expectOnlyItsSocketCloses(text));
});

describe('large subscribe message, parsed when its operation starts', () => {
  const start = '{"id":"1","type":"subscribe","payload":{';
  const long = '#'.repeat(10_000);

  it.each([
    ['cut off', `${start}"query":"${long}`],
    ['query is no text', `${start}"query":1,"extensions":{"x":"${long}"}}}`],
    ['no query', `${start}"extensions":{"x":"${long}"}}}`],
    ['second id', `${start}"query":"{ hello } ${long}"},"id":"2"}`],
    ['second type', `${start}"query":"{ hello } ${long}"},"type":"ping"}`],
    ['second payload', `${start}"query":"{ hello } ${long}"},"payload":null}`],
    ['text after it', `${start}"query":"{ hello } ${long}"}}}`],
  ])('closes only its socket: %s', (_, text) => expectOnlyItsSocketCloses(text));

  it.each([
    ['id first', `${start}"query":"query ${long}"}}`],
    ['type first', `{"type":"subscribe","id":"1","payload":{"query":"query ${long}"}}`],
    ['escaped id', `{"id":"\\u0031","type":"subscribe","payload":{"query":"query ${long}"}}`],
  ])('is executed: %s', async (_, text) => {
    await using server = await startSocketServer();
    await using client = await server.connectReady();
    client.send(text);
    expect([await client.next(), await client.next()]).toEqual(messagesOfQuery('1'));
  });

  it('can be completed by the next message', async () => {
    const prepared = Promise.withResolvers<void>();
    await using server = await startSocketServer({ onPrepare: () => prepared.promise });
    await using client = await server.connectReady();
    client.send(`${start}"query":"query ${long}"}}`);
    client.send('{"id":"1","type":"complete"}');
    client.send('{"type":"ping"}');
    expect(await client.next()).toEqual({ type: 'pong' });
    prepared.resolve();
    client.subscribe('2');
    expect([await client.next(), await client.next()]).toEqual(messagesOfQuery('2'));
  });
});

describe('invalid message', () => {
  const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

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
    expect([await other.next(), await other.next()]).toEqual(messagesOfQuery('1'));
  });
});
