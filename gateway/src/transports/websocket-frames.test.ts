import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ask } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';

/** Encodes a client's frame, masked (RFC 6455, 5.2). */
function frame({ opcode, isFinal, reserved, payload }: Frame): Buffer {
  const { length } = payload;
  const head = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 255] : null;
  if (!head) throw new Error('too long for a test');
  const mask = randomBytes(4);
  const masked = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([
    Buffer.from([(isFinal ? 128 : 0) | (reserved << 4) | opcode, 128 | (head[0] ?? 0), ...head.slice(1)]),
    mask,
    masked,
  ]);
}
interface Frame {
  opcode: number;
  isFinal: boolean;
  reserved: number;
  payload: Uint8Array;
}

const query = fc.constantFrom(
  '{ hello }',
  '{ nope }',
  '{',
  'subscription { moved { cursor } }',
  'mutation { greet(name: "x") }',
  'query A { hello } query B { hello }',
  '{ __schema { types { name } } }',
);
/** Generates ids. Most come from a short list, so that ids collide. The others are arbitrary. */
const id = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('1', '2', '__proto__', 'constructor') },
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', minLength: 100, maxLength: 4_000 }),
  fc.jsonValue(),
);
const message = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('connection_init'), payload: fc.jsonValue() }, { requiredKeys: ['type'] }),
  },
  { weight: 2, arbitrary: fc.constant({ type: 'connection_init' }) },
  {
    weight: 6,
    arbitrary: fc.record(
      {
        id,
        type: fc.constant('subscribe'),
        payload: fc.record(
          { query, variables: fc.jsonValue(), operationName: fc.jsonValue(), extensions: fc.jsonValue() },
          { requiredKeys: ['query'] },
        ),
      },
      { requiredKeys: ['id', 'type', 'payload'] },
    ),
  },
  { weight: 3, arbitrary: fc.record({ id, type: fc.constantFrom('complete', 'next', 'error') }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('ping', 'pong'), payload: fc.jsonValue() }) },
  fc.record({ type: fc.string({ unit: 'binary' }) }),
  fc.jsonValue(),
);
const text = fc.oneof(
  { weight: 8, arbitrary: message.map((value) => JSON.stringify(value)) },
  fc.string({ unit: 'binary' }),
  fc.json(),
);
/** Generates frames: a message as text frame, binary frame or fragments, or else an arbitrary frame. */
const frames = fc.oneof(
  { weight: 10, arbitrary: text.map((each) => [textFrame(each)]) },
  { weight: 2, arbitrary: text.map((each) => [{ ...textFrame(each), opcode: 2 }]) },
  {
    weight: 3,
    arbitrary: fc.tuple(text, fc.nat()).map(([each, at]) => {
      const { payload } = textFrame(each);
      const cut = payload.length === 0 ? 0 : at % payload.length;
      return [
        { opcode: 1, isFinal: false, reserved: 0, payload: payload.subarray(0, cut) },
        { opcode: 0, isFinal: true, reserved: 0, payload: payload.subarray(cut) },
      ];
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({
        opcode: fc.nat(15),
        isFinal: fc.boolean(),
        reserved: fc.constantFrom(0, 0, 0, 1, 4, 7),
        payload: fc.uint8Array({ maxLength: 200 }),
      })
      .map((each) => [each]),
  },
);

function textFrame(each: string): Frame {
  return { opcode: 1, isFinal: true, reserved: 0, payload: Buffer.from(each).subarray(0, 65_535) };
}

/**
 * Sends frames after a handshake, then closes or resets the connection. Resolves when the client's socket is closed.
 */
async function send(gateway: TestGateway, bytes: readonly Buffer[], how: 'end' | 'reset'): Promise<void> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect({ port: Number(port), host: hostname });
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(
    `GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${createHash('md5').update('key').digest('base64')}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`,
  );
  await once(socket, 'data');
  for (const each of bytes) if (!socket.destroyed) socket.write(each);
  // Discards the responses.
  socket.on('data', () => {});
  if (how === 'reset') await new Promise((resolve) => socket.write(frame(pingFrame), resolve));
  if (how === 'reset') socket.resetAndDestroy();
  else socket.end(frame(closeFrame));
  await closed;
}
const pingFrame: Frame = { opcode: 9, isFinal: true, reserved: 0, payload: new Uint8Array() };
const closeFrame: Frame = { opcode: 8, isFinal: true, reserved: 0, payload: new Uint8Array([3, 232]) };

/** Records errors that would have ended the gateway's process. The gateway runs in the test's process. */
function watchFaults() {
  const faults: unknown[] = [];
  const onFault = (error: unknown) => void faults.push(error);
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  for (const event of events) process.on(event, onFault);
  return {
    faults,
    [Symbol.dispose]() {
      for (const event of events) process.off(event, onFault);
    },
  };
}

describe('websocket', () => {
  it('survives any frames in any order, and serves other clients', async () => {
    using watch = watchFaults();
    await using gateway = await startTestGateway();
    const { client, connected } = gateway.connect((await gateway.signIn()).token);
    await connected;
    await fc.assert(
      fc.asyncProperty(
        fc.array(frames, { maxLength: 12 }),
        fc.constantFrom('end' as const, 'reset' as const),
        async (sent, how) => {
          const init = frame(textFrame('{"type":"connection_init"}'));
          await send(gateway, [init, ...sent.flat().map(frame)], how);
          expect(await ask(client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
          expect(watch.faults).toEqual([]);
        },
      ),
      { numRuns: Number(process.env.FAST_CHECK_RUNS ?? 150) },
    );
    await gateway.untilSubscribed(0);
    expect(gateway.log.text).not.toContain('a message could not be handled');
  });
});
