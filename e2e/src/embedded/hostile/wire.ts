import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What a client received: an HTTP response, or a socket's messages, as text. */
export interface Answer {
  /** HTTP status; null if the connection ended without a response. */
  status: number | null;
  text: string;
  /** Close code of a WebSocket. */
  closeCode?: number;
}

export interface RequestOptions {
  /**
   * Headers that replace the default headers. Their names are in lower case. A header with the value null is removed.
   */
  headers?: Record<string, string | null>;
  body?: string | Buffer;
}

/** Time-out of an exchange, longer than any correct response takes. */
const patienceMs = 120_000;

let clients = 0;

/**
 * Returns a new loopback address in each call. With an address of its own, a client stays below the limits per address.
 */
export function nextClientAddress(): string {
  clients += 1;
  return `127.${1 + (clients >> 16)}.${(clients >> 8) & 0xff}.${clients & 0xff}`;
}

/** Connects from a new loopback address. */
export async function connectClient(url: string, address = nextClientAddress()): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), localAddress: address });
  // Errors are ignored, because a reset by the server is a valid outcome.
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** The bytes of a request with `connection: close`, so that the response ends with the connection. */
export function request(method: string, path: string, { headers = {}, body = '' }: RequestOptions = {}): Buffer {
  const merged: Record<string, string | null> = {
    host: 'gateway.test',
    connection: 'close',
    ...(body.length > 0 && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const lines = Object.entries(merged)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'),
    Buffer.from(body),
  ]);
}

/** The bytes of a GraphQL operation by POST. */
export function operation(body: unknown, headers: Record<string, string | null> = {}): Buffer {
  return request('POST', '/graphql', { headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
}

/**
 * Sends raw bytes and reads until the server closes. With `reset`, the client resets the connection once the bytes are
 * sent. With `end`, the client then closes only its own side.
 */
export async function exchange(
  url: string,
  bytes: Buffer | string,
  how: 'read' | 'end' | 'reset' = 'read',
): Promise<Answer> {
  const socket = await connectClient(url);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
  if (how === 'end') socket.end();
  if (how === 'reset') socket.resetAndDestroy();
  await within(
    closed,
    () => `no end of the connection after ${Buffer.concat(chunks).toString('latin1').slice(0, 200)}`,
  );
  const text = Buffer.concat(chunks).toString('utf8');
  const [, status] = /^HTTP\/1\.\d (\d{3})/.exec(text) ?? [];
  return { status: status === undefined ? null : Number(status), text };
}

/** Awaits `outcome`. After `patienceMs` without an outcome, throws an error with the text of `waitedFor`. */
export async function within<T>(outcome: Promise<T>, waitedFor: () => string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(waitedFor())), patienceMs);
  return Promise.race([outcome, promise]).finally(() => clearTimeout(timer));
}
