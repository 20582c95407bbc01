import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClientAddresses } from '@voucher-gateway/platform/http/client-address';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import type { ExecutionResult } from 'graphql';
import { JsonResult } from '../../execution/response/json-result.ts';
import type { Operation } from '../../operations/operations.ts';
import { createLargeRequests } from '../../scheduling/large-requests.ts';
import { createLoopTurns } from '../../scheduling/loop-turns.ts';
import type { SessionGate } from '../../sessions/session-gate.ts';
import type { Subscriber } from '../../subscriptions/subscriber.ts';
import { createSendBudget } from '../../transports/backpressure.ts';
import { createOpenConnections } from '../../transports/connections.ts';
import { attachWebSocket, type WebSocketOptions } from '../../transports/websocket.ts';
import { connectRaw, connectReady } from '../clients/raw-client.ts';

/** The services behind the sockets. A test may replace each service. */
export interface SocketServices {
  authenticate(authorization: string | null | undefined): Promise<Identity | null>;
  /** Called before an operation is prepared. */
  onPrepare(): Promise<void> | void;
  /** Executes a query, and resolves with its result. */
  execute(signal: AbortSignal): Promise<ExecutionResult>;
  /** Called before a subscription is admitted. */
  onSubscribe(): Promise<void> | void;
  /** Called when a subscription is disposed. */
  onDispose(): void;
}

/**
 * Starts a real server with our WebSocket transport and two test operations. `query` returns `{"value": 1}`.
 * `subscription` returns the events that the test sends to its subscribers.
 */
export async function startSocketServer(
  services: Partial<SocketServices> = {},
  options: Partial<Pick<WebSocketOptions, 'connectionInitTimeoutMs' | 'maxOperations' | 'turns'>> = {},
) {
  const log = createMemoryLog();
  const off = Number.POSITIVE_INFINITY;
  const connections = createOpenConnections({ total: off, perAddress: off, anonymousPerAddress: off }, log);
  const server = createServer();
  const subscribers = new Set<Subscriber>();
  const {
    authenticate = async () => null,
    onPrepare = () => {},
    execute = async (): Promise<ExecutionResult> => ({ data: { value: 1 } }),
    onSubscribe = () => {},
    onDispose = () => {},
  } = services;
  const sockets = attachWebSocket({
    server,
    turns: createLoopTurns(),
    largeRequests: createLargeRequests(),
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
      prepareKnown: () => null,
      async execute(_operation, { signal }) {
        const { data, errors = [] } = await execute(signal);
        return new JsonResult(JSON.stringify(data ?? null), errors);
      },
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
    /** Resolves when exactly `count` subscriptions are active. */
    async untilSubscribed(count: number) {
      while (subscribers.size !== count) await once(server, 'subscribed');
    },
    /** Resolves when exactly `count` connections are open. */
    async untilConnections(count: number) {
      await waitFor(() => connections.count === count, { everyMs: 1 });
    },
    /** Connects a client that has sent no message yet. */
    connect: () => connectRaw(url),
    /** Connects a client whose `connection_init` is acknowledged. */
    connectReady: () => connectReady(url),
    async [Symbol.asyncDispose]() {
      await sockets[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Returns the messages with which `startSocketServer` answers a query. */
export function messagesOfQuery(id: string) {
  return [
    { id, type: 'next', payload: { data: { value: 1 } } },
    { id, type: 'complete' },
  ];
}
