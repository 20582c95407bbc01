import { once } from 'node:events';
import { CodedError } from '@voucher-gateway/platform/errors';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { ask } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';

/** Creates the messages of a client that sends two `subscribe` messages with the same id. */
function subscribeTwice(id: string): string[] {
  const subscribe = JSON.stringify({ id, type: 'subscribe', payload: { query: '{ hello }' } });
  return ['{"type":"connection_init"}', subscribe, subscribe];
}

function closeCode(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.on('close', resolve));
}

describe('websocket', () => {
  it('closes with 4403 on an invalid token', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn();
    expect(await gateway.connect(`${token}x`).closed).toMatchObject({ code: 4403, reason: 'UNAUTHENTICATED' });
    gateway.clock.advance(601_000);
    expect(await gateway.connect(token).closed).toMatchObject({ code: 4403, reason: 'SESSION_EXPIRED' });
  });

  it('closes with 1013, which clients retry, without a session store', async () => {
    const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
    await using gateway = await startTestGateway({ keyValue: { touch: away } });
    const { token } = await gateway.signIn();
    expect(await gateway.connect(token).closed).toMatchObject({ code: 1013, reason: 'SESSION_STORE_UNAVAILABLE' });
  });

  it('closes with 4408 without connection_init, 4406 on other protocols', async () => {
    await using gateway = await startTestGateway();
    expect(await closeCode(new WebSocket(gateway.socketUrl, 'graphql-transport-ws'))).toBe(4408);
    expect(await closeCode(new WebSocket(gateway.socketUrl))).toBe(4406);
    const choosy = new WebSocket(gateway.socketUrl, ['other', 'graphql-transport-ws']);
    choosy.on('open', () => choosy.close(1000));
    expect(await closeCode(choosy)).toBe(1000);
    expect(choosy.protocol).toBe('graphql-transport-ws');
  });

  it('closes with 4401 before connection_init, 4400 on invalid messages', async () => {
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
  ])('truncates a long close reason: %s', async (_what, code, first, ...rest) => {
    // Regression: `ws` throws for a reason of more than 123 bytes, and this error ended the process.
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

  it('closes with 1009 on a message over the limit', async () => {
    await using gateway = await startTestGateway();
    const socket = new WebSocket(gateway.socketUrl, 'graphql-transport-ws');
    socket.on('open', () =>
      socket.send(JSON.stringify({ type: 'connection_init', payload: { x: 'x'.repeat(70_000) } })),
    );
    expect(await closeCode(socket)).toBe(1009);
  });
});
