import { describe, expect, it } from 'vitest';
import { messagesOfQuery, startSocketServer } from '../testing/servers/socket-server.ts';

// The cases are those of the server tests of graphql-ws.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

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
  ])('`%s`', async (text) => {
    await using server = await startSocketServer();
    await using other = await server.connectReady();
    await using client = await server.connectReady();
    client.send(text);
    expect(await client.closed).toMatch(/^4400 ./);
    other.subscribe('1');
    expect([await other.next(), await other.next()]).toEqual(messagesOfQuery('1'));
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
