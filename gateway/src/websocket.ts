import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { isCodedError } from '@voucher-gateway/platform/errors';
import { createErrorFormatter } from '@voucher-gateway/platform/graphql-errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type ExecutionArgs, GraphQLError } from 'graphql';
import { CloseCode, type Context, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import type { GatewayContext } from './context.ts';
import type { Federation, Operation } from './federation.ts';
import type { OpenConnections } from './open-connections.ts';
import type { createPrepareOperation } from './prepare-operation.ts';
import type { SessionGate } from './session-gate.ts';
import { adaptSockets, type SocketExtra } from './socket-adapter.ts';
import { mapped } from './subscriptions/mapped.ts';
import type { Subscriptions } from './subscriptions/subscribe.ts';
import { wrappedError } from './wrapped-error.ts';

export interface WebSocketOptions {
  server: Server;
  /** Path that is upgraded. */
  path: string;
  federation: Federation;
  subscriptions: Subscriptions;
  prepareOperation: ReturnType<typeof createPrepareOperation>;
  connections: OpenConnections;
  gate: SessionGate;
  log: Log;
  /** Time a client has to send `connection_init`, else 4408. Default: 3 s. */
  connectionInitTimeoutMs?: number;
  /** Largest message in bytes, else 1009. Default: 64 kB. */
  maxMessageBytes?: number;
  /** Connections of the process at once; more are closed with 1013. */
  maxConnections: number;
  /** Operations at once on a connection; more are answered RATE_LIMITED. */
  maxOperations: number;
  /** Bytes that may wait for a slow client, until its socket is closed with 1013. */
  maxBufferedBytes: number;
  /** Whether a page of the request's origin may connect; clients other than browsers send none. Default: any. */
  allowsOrigin?(request: IncomingMessage): boolean;
}

/** What is known of a connection once its `connection_init` was accepted. */
interface Connection {
  identity: Identity | null;
  authorization: string | null;
  /** Ends the watch of the session. */
  watch?: Disposable;
  /** Queries and mutations that have not been answered. */
  readonly running: Set<Promise<unknown>>;
}

/**
 * Serves GraphQL over WebSocket (`graphql-transport-ws`): queries, mutations and subscriptions.
 *
 * `connection_init` carries `{"authorization": "Bearer <token>"}`, the key in any case, with or without
 * `Bearer`. Without a token only what the schema allows the signed-out can be asked. A bad token, or the
 * session's end at any time, closes the socket with 4403; a session store that is away, a process with enough
 * connections, and a client that reads too slowly, with 1013.
 *
 * In the drain a socket is closed with 1001, which clients retry, once its queries and mutations are answered;
 * new ones are refused. Disposing closes what is left.
 */
export function attachWebSocket(options: WebSocketOptions): AsyncDisposable {
  const {
    server,
    path,
    federation,
    subscriptions,
    prepareOperation,
    connections: openConnections,
    gate,
    log,
    connectionInitTimeoutMs = 3_000,
    maxMessageBytes = 65_536,
    maxConnections,
    maxOperations,
    maxBufferedBytes,
    allowsOrigin = () => true,
  } = options;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, handleProtocols });
  const connections = new WeakMap<object, Connection>();
  const connectionOf = new WeakMap<GatewayContext, Connection>();
  const format = createErrorFormatter(log);

  const core = makeServer<Record<string, unknown>, SocketExtra>({
    connectionInitWaitTimeout: connectionInitTimeoutMs,
    onConnect: async (connection) => {
      const { socket } = connection.extra;
      const authorization = readAuthorization(connection.connectionParams);
      try {
        const identity = await gate.authenticate(authorization);
        const watch = identity
          ? gate.onSessionEnd(identity, () => socket.close(CloseCode.Forbidden, 'The session has ended'))
          : undefined;
        connections.set(connection.extra, { identity, authorization, watch, running: new Set() });
        if (socket.readyState !== socket.OPEN) watch?.[Symbol.dispose]();
      } catch (error) {
        refuse(socket, error);
      }
    },
    onClose: (connection) => connections.get(connection.extra)?.watch?.[Symbol.dispose](),
    onSubscribe: (connection, _id, payload) => prepare(connection, payload),
    execute: (args) => {
      const context = args.contextValue as GatewayContext;
      const answer = federation.execute(operationOf(args), context);
      const running = connectionOf.get(context)?.running;
      running?.add(answer);
      return answer.finally(() => running?.delete(answer)) as never;
    },
    subscribe: async (args) => {
      const events = await subscriptions.subscribe(operationOf(args), args.contextValue as GatewayContext);
      return (Symbol.asyncIterator in events ? mapped(events, async ({ result }) => result) : events) as never;
    },
    onNext: (_connection, _id, _payload, _args, result) =>
      result.errors && { ...result, errors: result.errors.map((error) => format(error.toJSON?.() ?? error, error)) },
    onError: (_connection, _id, _payload, errors) => errors.map((error) => format(error.toJSON(), error)),
  });
  const adapter = adaptSockets({
    core,
    sockets,
    connections: openConnections,
    maxConnections,
    maxBufferedBytes,
    async idle(extra) {
      await Promise.allSettled(connections.get(extra)?.running ?? []);
      // The core sends an answer in the microtasks after it has it.
      await new Promise(setImmediate);
    },
    log,
  });

  /** An operation made ready, or the errors to answer; each operation is the session's activity. */
  const prepare = async (
    connection: Context<Record<string, unknown>, SocketExtra>,
    payload: SubscribePayload,
  ): Promise<ExecutionArgs | readonly GraphQLError[]> => {
    const known = connections.get(connection.extra);
    if (!known)
      return [
        new GraphQLError('The connection is not ready.', {
          extensions: { code: 'UNAUTHENTICATED' satisfies PublicErrorCode },
        }),
      ];
    // The one that is being opened is among them.
    if (Object.keys(connection.subscriptions).length > maxOperations)
      return [
        new GraphQLError(`A connection carries ${maxOperations} operations at once: end one first.`, {
          extensions: { code: 'RATE_LIMITED' satisfies PublicErrorCode },
        }),
      ];
    try {
      if (known.identity) await gate.touch(known.identity);
    } catch (error) {
      if (isCodedError(error, 'SESSION_EXPIRED'))
        connection.extra.socket.close(CloseCode.Forbidden, 'The session has ended');
      return [wrappedError(error)];
    }
    const operation = prepareOperation(payload);
    if (!('document' in operation)) return operation;
    const { document, operationName, variables } = operation;
    const context: GatewayContext = {
      identity: known.identity,
      authorization: known.authorization,
      requestId: randomUUID(),
    };
    connectionOf.set(context, known);
    return {
      schema: federation.schema,
      document,
      operationName,
      variableValues: variables,
      contextValue: context,
    };
  };

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (new URL(request.url ?? '/', 'http://gateway.invalid').pathname !== path)
      return refuseUpgrade(socket, '404 Not Found');
    if (!allowsOrigin(request)) return refuseUpgrade(socket, '403 Forbidden');
    if (openConnections.isDraining) return refuseUpgrade(socket, '503 Service Unavailable');
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client));
  };
  server.on('upgrade', onUpgrade);

  return {
    async [Symbol.asyncDispose]() {
      server.off('upgrade', onUpgrade);
      await adapter[Symbol.asyncDispose]();
    },
  };

  function refuse(socket: SocketExtra['socket'], error: unknown) {
    if (isCodedError(error) && error.retryable) socket.close(1013, error.code);
    else if (isCodedError(error)) socket.close(CloseCode.Forbidden, error.code);
    else {
      log.error({ error }, 'a connection could not be authenticated');
      socket.close(1011, 'INTERNAL_SERVER_ERROR');
    }
  }
}

function operationOf({ document, operationName, variableValues }: ExecutionArgs): Operation {
  return { document, operationName, variables: variableValues as Operation['variables'] };
}

function readAuthorization(parameters: Readonly<Record<string, unknown>> | undefined): string | null {
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (name.toLowerCase() === 'authorization' && typeof value === 'string' && value.trim() !== '') return value;
  }
  return null;
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
