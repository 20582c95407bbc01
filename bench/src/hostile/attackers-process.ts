import { connect, type Socket } from 'node:net';
import WebSocket from 'ws';
import { costlyOperation } from './costly-operation.ts';

export type AttackName =
  | 'a header byte a second'
  | 'a new operation at the limit a second'
  | 'the same operation at the limit a second';

export interface AttackersData {
  /** URL of the gateway. */
  url: string;
  attack: AttackName;
  count: number;
}

/** Counts since the start. */
export interface AttackersTally {
  /** Opened connections, including those that replace closed ones. */
  opened: number;
  sent: number;
  /** Operations or bytes that were sent more than a second late, because the attackers lacked CPU time. */
  late: number;
  /** Operations with a response, including refused ones. */
  answered: number;
}

const { url, attack, count } = JSON.parse(process.argv[2] ?? '') as AttackersData;
const port = Number(new URL(url).port);
const tally: AttackersTally = { opened: 0, sent: 0, late: 0, answered: 0 };
/** Number of attackers with the same address. It is below the gateway's limits per address. */
const perAddress = 150;
const addressOf = (index: number) => `127.0.1.${1 + Math.floor(index / perAddress)}`;
const openings: Record<AttackName, (index: number) => void> = {
  'a header byte a second': openSlowly,
  'a new operation at the limit a second': ask,
  'the same operation at the limit a second': ask,
};
const known = costlyOperation();
const nextOperation = () => (attack === 'the same operation at the limit a second' ? known : costlyOperation());

for (let index = 0; index < count; index += 1) {
  // The connections are opened over a second, like those of independent clients.
  setTimeout(() => openings[attack](index), (index / count) * 1_000);
}
process.on('message', () => process.send?.(tally));
process.once('disconnect', () => process.exit());

/** Calls `send` every second until the connection is closed, and then replaces the connection. */
function everySecond(send: () => void, onClosed: (listener: () => void) => void, reopen: () => void): void {
  tally.opened += 1;
  let dueAtMs = performance.now();
  const onTime = () => {
    const now = performance.now();
    if (now > dueAtMs + 1_000) tally.late += 1;
    dueAtMs = now + 1_000;
    send();
  };
  onTime();
  const timer = setInterval(onTime, 1_000);
  onClosed(() => {
    clearInterval(timer);
    setTimeout(reopen, 1_000);
  });
}

function open(index: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, localAddress: addressOf(index) });
  // Without this listener, an error would end this process. If the server closes a connection after `connect`,
  // `everySecond` replaces the connection.
  socket.on('error', () => {});
  return socket;
}

function openSlowly(index: number): void {
  const socket = open(index);
  const request = `POST /graphql HTTP/1.1\r\nhost: gateway\r\nx-slow: ${'x'.repeat(4_096)}`;
  let at = 0;
  socket.once('connect', () => {
    const send = () => {
      tally.sent += 1;
      socket.write(request.charAt(at));
      at += 1;
    };
    everySecond(
      send,
      (listener) => socket.once('close', listener),
      () => openSlowly(index),
    );
  });
}

function ask(index: number): void {
  if (index % 2 === 0) askOverHttp(index);
  else askOverWebSocket(index);
}

function askOverHttp(index: number): void {
  const socket = open(index);
  let isAnswered = true;
  socket.on('data', () => {
    if (!isAnswered) tally.answered += 1;
    isAnswered = true;
  });
  socket.once('connect', () => {
    const send = () => {
      if (!isAnswered) return;
      isAnswered = false;
      tally.sent += 1;
      const body = JSON.stringify({ query: nextOperation() });
      socket.write(
        `POST /graphql HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    };
    everySecond(
      send,
      (listener) => socket.once('close', listener),
      () => askOverHttp(index),
    );
  });
}

function askOverWebSocket(index: number): void {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    localAddress: addressOf(index),
    perMessageDeflate: false,
  });
  let id = 0;
  // Without this listener, an error would end this process. If the server closes a connection after `connection_ack`,
  // `everySecond` replaces the connection.
  socket.on('error', () => {});
  socket.on('open', () => socket.send('{"type":"connection_init"}'));
  socket.on('message', (data: Buffer) => {
    const { type } = JSON.parse(String(data)) as { type: string };
    if (type === 'next' || type === 'error') tally.answered += 1;
    if (type !== 'connection_ack') return;
    const send = () => {
      // Nothing is sent if the gateway has stopped reading, because another message would only wait in this process.
      if (socket.bufferedAmount > 0) return;
      id += 1;
      tally.sent += 1;
      socket.send(JSON.stringify({ id: String(id), type: 'subscribe', payload: { query: nextOperation() } }));
    };
    everySecond(
      send,
      (listener) => socket.once('close', listener),
      () => askOverWebSocket(index),
    );
  });
}
