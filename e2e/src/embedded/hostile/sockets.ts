import { once } from 'node:events';
import WebSocket from 'ws';
import { type Answer, connectClient, nextClientAddress, within } from './wire.ts';

export interface Conversation {
  /** Whether to send `connection_init` and await its acknowledgement before the messages. Default: true. */
  init?: boolean;
  protocol?: string;
  /** The message that ends the conversation. Default: the answer to a final ping. */
  until?: RegExp;
}

/** Sends messages in order, and collects the responses until `until` matches or the socket is closed. */
export async function converse(
  gatewayUrl: string,
  messages: readonly (string | Buffer | object)[],
  { init = true, protocol = 'graphql-transport-ws', until }: Conversation = {},
): Promise<Answer> {
  const socket = new WebSocket(`${gatewayUrl.replace('http', 'ws')}/graphql`, protocol, {
    localAddress: nextClientAddress(),
  });
  const heard: string[] = [];
  const ended = Promise.withResolvers<void>();
  const acknowledged = Promise.withResolvers<void>();
  const end = until ?? /"type":"pong","payload":\{"is":"last"\}/;
  let closeCode: number | undefined;
  socket.on('message', (data) => {
    heard.push(String(data));
    if (String(data).includes('connection_ack')) acknowledged.resolve();
    if (end.test(String(data))) ended.resolve();
  });
  socket.on('close', (code, reason) => {
    closeCode = code;
    heard.push(String(reason));
    acknowledged.resolve();
    ended.resolve();
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  if (init) {
    socket.send('{"type":"connection_init"}');
    await within(acknowledged.promise, () => 'no acknowledgement');
  }
  for (const message of messages)
    socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  if (!until) socket.send('{"type":"ping","payload":{"is":"last"}}');
  await within(ended.promise, () => `no end of the conversation: ${heard.join('\n').slice(0, 500)}`);
  socket.terminate();
  return { status: null, text: heard.join('\n'), closeCode };
}

export interface FrameOptions {
  opcode?: number;
  fin?: boolean;
  /** The three reserved bits. */
  reserved?: number;
  isMasked?: boolean;
}

/** Encodes a client frame (RFC 6455, 5.2), which may be invalid. */
export function frame(
  payload: string | Buffer,
  { opcode = 1, fin = true, reserved = 0, isMasked = true }: FrameOptions = {},
): Buffer {
  const data = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = isMasked ? 0x80 : 0;
  const length =
    data.length < 126
      ? Buffer.from([mask | data.length])
      : Buffer.from([mask | 126, data.length >> 8, data.length & 0xff]);
  // A mask of zeros does not change the payload.
  return Buffer.concat([Buffer.from([first]), length, ...(isMasked ? [Buffer.alloc(4)] : []), data]);
}

/** The bytes of an upgrade request, for a socket with raw frames. */
export function upgrade(headers: Record<string, string | null> = {}, path = '/graphql'): Buffer {
  const merged: Record<string, string | null> = {
    host: 'gateway.test',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'graphql-transport-ws',
    ...headers,
  };
  const lines = Object.entries(merged).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}\r\n`]));
  return Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
}

/** Upgrades, sends raw frames, and reads until the server closes. */
export async function sendFrames(
  gatewayUrl: string,
  frames: readonly Buffer[],
  headers: Record<string, string> = {},
): Promise<Answer> {
  const socket = await connectClient(gatewayUrl);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(upgrade(headers));
  await within(once(socket, 'data'), () => 'no upgrade');
  for (const bytes of frames) socket.write(bytes);
  await within(closed, () => 'the socket stays open');
  const received = Buffer.concat(chunks);
  // The last frame is a close frame. Its payload starts with the close code.
  const close = received.lastIndexOf(0x88);
  const closeCode = close >= 0 && close + 4 <= received.length ? received.readUInt16BE(close + 2) : undefined;
  return { status: null, text: received.toString('utf8'), closeCode };
}
