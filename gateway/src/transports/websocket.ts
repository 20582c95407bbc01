import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, handleProtocols } from 'graphql-ws';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { createResultFormatter } from '../format-result.ts';
import { ClientSocket, type SendLimits } from './client-socket.ts';
import { closeCodes, closeSocket } from './close-socket.ts';
import type { HttpConnections } from './http-connections.ts';
import { createKeepAlive } from './keep-alive.ts';
import { type ConnectionOptions, SocketConnection } from './websocket-connection.ts';

export interface WebSocketOptions extends Omit<ConnectionOptions, 'formatter' | 'connectionInitTimeoutMs'> {
  server: Server;
  addresses: ClientAddresses;
  /** The path to upgrade. */
  path: string;
  /** Time-out for `connection_init`, after which the socket is closed with 4408. Default: 3 s. */
  connectionInitTimeoutMs?: number;
  sendLimits: SendLimits;
  /** Largest message in bytes; a larger one closes the socket with 1009. Default: 64 kB. */
  maxMessageBytes?: number;
  /** Counts HTTP connections. A connection that becomes a WebSocket no longer counts. */
  httpConnections: Pick<HttpConnections, 'release'>;
  /** Interval of pings. A socket that has not answered by the next ping is terminated. Default: 12 s. */
  keepAliveMs?: number;
  /**
   * Whether a page of the request's origin may connect. Clients other than browsers send no origin. Default: any page
   * may connect.
   */
  allowsOrigin?(request: IncomingMessage): boolean;
}

/**
 * Serves GraphQL over WebSocket (`graphql-transport-ws`): queries, mutations and subscriptions.
 *
 * `connection_init` may have the payload `{"authorization": "Bearer <token>"}`. The key may be in any case, and
 * `Bearer` is optional. Without a token the client is anonymous. A socket is closed with 4403 for an invalid token and
 * at the end of its session. It is closed with 1013 if the session store can't be reached, a connection limit is
 * reached, too many large messages wait, or the client is a slow consumer.
 *
 * During the drain a socket is closed with 1001 once its queries and mutations have finished, so that its client
 * reconnects. New sockets are refused. Disposing closes all remaining sockets.
 */
export function attachWebSocket(options: WebSocketOptions): AsyncDisposable {
  const { server, path, connections, httpConnections, addresses, sendLimits, log, allowsOrigin = () => true } = options;
  const { connectionInitTimeoutMs = 3_000, maxMessageBytes = 65_536, keepAliveMs = 12_000 } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    handleProtocols,
    WebSocket: ClientSocket,
    // With `false`, `ws` emits at most one message per socket and turn of the event loop, for fairness between sockets.
    allowSynchronousEvents: false,
  });
  const keepAlive = createKeepAlive(sockets.clients, keepAliveMs);
  const shared: ConnectionOptions = { ...options, connectionInitTimeoutMs, formatter: createResultFormatter(log) };

  // The client causes the errors of a socket, for example by a frame over the size limit. `ws` closes the socket with
  // the matching close code.
  const onError = (error: Error) => log.debug({ error }, 'a socket failed');
  // The upgrade request is not kept, because its headers would take a large part of a connection's memory.
  const onConnection = (socket: ClientSocket, request: IncomingMessage) => {
    socket.on('error', onError);
    if (socket.protocol !== GRAPHQL_TRANSPORT_WS_PROTOCOL)
      return void closeSocket(socket, CloseCode.SubprotocolNotAcceptable, 'Subprotocol not acceptable');
    const connection = new SocketConnection(socket, addresses.read(request), shared);
    if (!connection.open()) return void closeSocket(socket, closeCodes.tryAgainLater, 'TOO_MANY_CONNECTIONS');
    httpConnections.release(request.socket);
    socket.connection = connection;
    socket.limits = sendLimits;
    socket.on('message', onMessage);
    socket.on('close', onClose);
    keepAlive.watch(socket);
  };

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // The path is cut at the question mark instead of parsed, because `new URL` throws for an invalid path.
    if (request.url?.split('?', 1)[0] !== path) return refuseUpgrade(socket, '404 Not Found');
    if (!allowsOrigin(request)) return refuseUpgrade(socket, '403 Forbidden');
    if (connections.isDraining) return refuseUpgrade(socket, '503 Service Unavailable');
    sockets.handleUpgrade(request, socket, head, onConnection);
  };
  server.on('upgrade', onUpgrade);

  return {
    async [Symbol.asyncDispose]() {
      server.off('upgrade', onUpgrade);
      keepAlive[Symbol.dispose]();
      await Promise.all([...sockets.clients].map((socket) => closeSocket(socket, closeCodes.goingAway, 'Going away')));
      sockets.close();
    },
  };
}

function onMessage(this: WebSocket, data: RawData): void {
  (this as ClientSocket).connection?.receive(data);
}

function onClose(this: WebSocket): void {
  (this as ClientSocket).connection?.release();
  (this as ClientSocket).release();
}

/** If a client does not close its socket within this time after a refused upgrade, the socket is destroyed. */
const refusedWithinMs = 1_000;

function refuseUpgrade(socket: Duplex, status: string): void {
  const timer = setTimeout(() => socket.destroy(), refusedWithinMs);
  // After an upgrade request, Node no longer listens for errors of the socket, so a reset would be an unhandled error
  // event.
  socket.on('error', () => socket.destroy());
  socket.once('close', () => clearTimeout(timer));
  // Discards everything that the client still sends. As long as data is unread, the socket would not emit `close`.
  socket.resume();
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
