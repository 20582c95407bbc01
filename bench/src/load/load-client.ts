import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';

const atOnce = 50;
const openWithinMs = 30_000;

export interface LoadClientOptions {
  /** URL of the server, such as `http://127.0.0.1:4000`. */
  url: string;
  /** Payload of `connection_init`. */
  connectionInit?: object;
  /** Payload of `subscribe`. */
  subscribe: { query: string; variables?: object };
  /** Called with each `next` message, as unparsed JSON. */
  onNext(message: Buffer): void;
}

/** A minimal client. Disposing terminates its connection. */
export interface LoadClient extends Disposable {
  readonly socket: WebSocket;
}

/** Opens many clients, 50 at a time. The result has null for each client that could not connect or subscribe. */
export async function openClients(all: readonly LoadClientOptions[]): Promise<(LoadClient | null)[]> {
  const clients: (LoadClient | null)[] = [];
  for (let index = 0; index < all.length; index += atOnce) {
    const opening = all.slice(index, index + atOnce).map((options) => openClient(options).catch(() => null));
    clients.push(...(await Promise.all(opening)));
  }
  return clients;
}

/** Resolves once the server has accepted the subscription. Some servers activate a subscription a little later. */
async function openClient({ url, connectionInit, subscribe, onNext }: LoadClientOptions): Promise<LoadClient> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
    handshakeTimeout: openWithinMs,
  });
  const say = (message: object) => socket.send(JSON.stringify(message));
  await once(socket, 'open');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.on('error', reject);
  socket.on('close', (code, reason) => reject(new Error(`closed: ${code} ${reason}`)));
  socket.on('message', (data: Buffer) => {
    if (data.includes(next)) return onNext(data);
    const message = JSON.parse(String(data));
    if (message.type === 'connection_ack') {
      // A unique id, because Mercurius' gateway identifies subscriptions by it.
      say({ id: randomUUID(), type: 'subscribe', payload: subscribe });
      // Our server handles a socket's messages in order. So once the ping is answered, the subscription is active.
      say({ type: 'ping' });
    } else if (message.type === 'pong') resolve();
    else if (message.type === 'error') reject(new Error(JSON.stringify(message.payload)));
  });
  say({ type: 'connection_init', ...(connectionInit && { payload: connectionInit }) });
  const timer = setTimeout(() => reject(new Error('the subscription is not active')), openWithinMs);
  try {
    await promise;
  } catch (error) {
    socket.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { socket, [Symbol.dispose]: () => socket.terminate() };
}

const next = Buffer.from('"type":"next"');
