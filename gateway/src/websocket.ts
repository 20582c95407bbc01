import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import { createErrorFormatter } from '@voucher-gateway/platform/graphql-errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type ExecutionArgs, GraphQLError, parse, validate } from 'graphql';
import { CloseCode, type Context, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import type { GatewayContext } from './context.ts';
import { type Federation, type Operation, unresolvedOperation } from './federation.ts';
import type { SessionGate } from './session-gate.ts';
import { adaptSockets, type SocketExtra } from './socket-adapter.ts';
import type { Subscriptions } from './subscriptions/subscribe.ts';

export interface WebSocketOptions {
  server: Server;
  /** Path that is upgraded. */
  path: string;
  federation: Federation;
  subscriptions: Subscriptions;
  gate: SessionGate;
  log: Log;
  /** Time a client has to send `connection_init`, else 4408. Default: 3 s. */
  connectionInitTimeoutMs?: number;
  /** Largest message in bytes, else 1009. Default: 64 kB. */
  maxMessageBytes?: number;
  /** Whether a page of the request's origin may connect; clients other than browsers send none. Default: any. */
  allowsOrigin?(request: IncomingMessage): boolean;
}

/** What is known of a connection once its `connection_init` was accepted. */
interface Connection {
  identity: Identity | null;
  authorization: string | null;
  /** Ends the watch of the session. */
  watch?: Disposable;
}

/**
 * Serves GraphQL over WebSocket (`graphql-transport-ws`): queries, mutations and subscriptions.
 *
 * `connection_init` carries `{"authorization": "Bearer <token>"}`, the key in any case, with or without
 * `Bearer`. Without a token only what the schema allows the signed-out can be asked. A bad token, or the
 * session's end at any time, closes the socket with 4403; a session store that is away, with 1013.
 *
 * Disposing closes every socket with 1001, which clients retry.
 */
export function attachWebSocket(options: WebSocketOptions): AsyncDisposable {
  const {
    server,
    path,
    federation,
    subscriptions,
    gate,
    log,
    connectionInitTimeoutMs = 3_000,
    maxMessageBytes = 65_536,
    allowsOrigin = () => true,
  } = options;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, handleProtocols });
  const connections = new WeakMap<object, Connection>();
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
        connections.set(connection.extra, { identity, authorization, watch });
        if (socket.readyState !== socket.OPEN) watch?.[Symbol.dispose]();
      } catch (error) {
        refuse(socket, error);
      }
    },
    onClose: (connection) => connections.get(connection.extra)?.watch?.[Symbol.dispose](),
    onSubscribe: (connection, _id, payload) => prepare(connection, payload),
    execute: (args) => federation.execute(operationOf(args), args.contextValue as GatewayContext) as never,
    subscribe: (args) => subscriptions.subscribe(operationOf(args), args.contextValue as GatewayContext) as never,
    onNext: (_connection, _id, _payload, _args, result) =>
      result.errors && { ...result, errors: result.errors.map((error) => format(error.toJSON?.() ?? error, error)) },
    onError: (_connection, _id, _payload, errors) => errors.map((error) => format(error.toJSON(), error)),
  });
  const adapter = adaptSockets({ core, sockets, log });

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
    try {
      if (known.identity) await gate.touch(known.identity);
    } catch (error) {
      if (isCodedError(error, 'SESSION_EXPIRED'))
        connection.extra.socket.close(CloseCode.Forbidden, 'The session has ended');
      return [new GraphQLError((error as Error).message, { originalError: error as Error })];
    }
    const document = parsed(payload.query);
    if (document instanceof GraphQLError) return [document];
    const faults = validate(federation.schema, document);
    if (faults.length > 0) return faults.map((fault) => withCode(fault, 'GRAPHQL_VALIDATION_FAILED'));
    const unresolved = unresolvedOperation(document, payload.operationName);
    if (unresolved) return [unresolved];
    const context: GatewayContext = {
      identity: known.identity,
      authorization: known.authorization,
      requestId: randomUUID(),
    };
    return {
      schema: federation.schema,
      document,
      operationName: payload.operationName,
      variableValues: payload.variables,
      contextValue: context,
    };
  };

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (new URL(request.url ?? '/', 'http://gateway.invalid').pathname !== path)
      return refuseUpgrade(socket, '404 Not Found');
    if (!allowsOrigin(request)) return refuseUpgrade(socket, '403 Forbidden');
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request));
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

function parsed(query: string) {
  try {
    return parse(query);
  } catch (error) {
    if (error instanceof GraphQLError) return withCode(error, 'GRAPHQL_PARSE_FAILED');
    throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', 'The query is not a text.', { cause: error });
  }
}

function withCode(error: GraphQLError, code: PublicErrorCode): GraphQLError {
  const { nodes, source, positions, path } = error;
  return new GraphQLError(error.message, { nodes, source, positions, path, extensions: { code } });
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
