import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClientAddresses } from '@voucher-gateway/platform/http/client-address';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import type { ExecutionResult } from 'graphql';
import WebSocket from 'ws';
import type { Operation } from '../operations/operations.ts';
import { createLoopTurns } from '../scheduling/loop-turns.ts';
import type { SessionGate } from '../sessions/session-gate.ts';
import type { Subscriber } from '../subscriptions/subscriber.ts';
import { createSendBudget } from '../transports/backpressure.ts';
import { createOpenConnections } from '../transports/connections.ts';
import { attachWebSocket, type WebSocketOptions } from '../transports/websocket.ts';

/** The services behind the sockets. A test may replace each. */
export interface SocketServices {
  authenticate(authorization: string | null | undefined): Promise<Identity | null>;
  /** Called before an operation is prepared. */
  onPrepare(): Promise<void> | void;
  /** A query's result. */
  execute(signal: AbortSignal): Promise<ExecutionResult>;
  /** Called before a subscription is admitted. */
  onSubscribe(): Promise<void> | void;
  /** Called when a subscription is disposed. */
  onDispose(): void;
}

/**
 * Our sockets on a real server, with operations that the test executes: `query` returns `{"value": 1}`, and
 * `subscription` the events that the test sends to its subscribers.
 */
export async function startSocketServer(
  services: Partial<SocketServices> = {},
  options: Partial<Pick<WebSocketOptions, 'connectionInitTimeoutMs' | 'maxOperations'>> = {},
) {
  const log = createMemoryLog();
  const off = Number.POSITIVE_INFINITY;
  const connections = createOpenConnections({ total: off, perAddress: off, anonymousPerAddress: off }, log);
  const server = createServer();
  const subscribers = new Set<Subscriber>();
  const {
    authenticate = async () => null,
    onPrepare = () => {},
    execute = async () => ({ data: { value: 1 } }),
    onSubscribe = () => {},
    onDispose = () => {},
  } = services;
  const sockets = attachWebSocket({
    server,
    turns: createLoopTurns(),
    path: '/graphql',
    connections,
    addresses: createClientAddresses([]),
    log,
    httpConnections: { release() {} },
    sendLimits: { maxBufferedBytes: 262_144, budget: createSendBudget(off, log), log },
    maxOperations: 100,
    gate: { authenticate, touch: async () => {} } as Partial<SessionGate> as SessionGate,
    operations: {
      persistedQueries: { get: () => undefined, add() {} } as never,
      async prepare({ query }) {
        await onPrepare();
        return { definition: { operation: query } } as Operation;
      },
      execute: (_operation, { signal }) => execute(signal),
    },
    subscriptions: {
      async subscribe() {
        await onSubscribe();
        let own: Subscriber | null = null;
        return {
          start(subscriber: Subscriber) {
            own = subscriber;
            subscribers.add(subscriber);
            server.emit('subscribed');
          },
          [Symbol.dispose]() {
            if (own) subscribers.delete(own);
            server.emit('subscribed');
            onDispose();
          },
        };
      },
    } as Partial<WebSocketOptions['subscriptions']> as WebSocketOptions['subscriptions'],
    ...options,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}/graphql`;
  return {
    url,
    log,
    connections,
    subscribers,
    /** Resolves once this many subscriptions are active. */
    async untilSubscribed(count: number) {
      while (subscribers.size !== count) await once(server, 'subscribed');
    },
    /** A client that has sent nothing yet. */
    connect: () => connectRaw(url),
    /** An acknowledged client. */
    async connectReady() {
      const client = await connectRaw(url);
      client.send({ type: 'connection_init' });
      await client.next();
      return client;
    },
    async [Symbol.asyncDispose]() {
      await sockets[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A client that sends the test's messages, and reads one message at a time. */
export async function connectRaw(url: string, protocols: string | string[] = 'graphql-transport-ws') {
  const socket = new WebSocket(url, protocols);
  const messages: unknown[] = [];
  let read = 0;
  const closed = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`.trim());
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  await once(socket, 'open');
  const client = {
    socket,
    closed,
    send: (message: object | string) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    subscribe: (id: string, query: 'query' | 'subscription' = 'query') =>
      client.send({ id, type: 'subscribe', payload: { query } }),
    complete: (id: string) => client.send({ id, type: 'complete' }),
    /** The next message that was not read yet; rejects when the socket closes first. */
    async next(): Promise<unknown> {
      while (messages.length <= read) {
        const cause = await Promise.race([once(socket, 'message').then(() => null), closed]);
        if (cause !== null && messages.length <= read) throw new Error(`closed: ${cause}`);
      }
      read += 1;
      return messages[read - 1];
    },
    /** The remaining messages, once the server has handled all that was sent so far. */
    async rest(): Promise<unknown[]> {
      client.send({ type: 'ping', payload: { last: true } });
      const rest: unknown[] = [];
      for (;;) {
        const message = await client.next();
        if ((message as { payload?: { last?: boolean } }).payload?.last) return rest;
        rest.push(message);
      }
    },
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await closed;
    },
  };
  return client;
}
