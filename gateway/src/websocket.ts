import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ClientAddresses } from '@voucher-gateway/platform/client-address';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, handleProtocols } from 'graphql-ws';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { ClientSocket, type SendLimits } from './client-socket.ts';
import { closeCodes, closeSocket } from './close-socket.ts';
import { createResultFormatter } from './format-result.ts';
import type { HttpConnections } from './http-connections.ts';
import { createKeepAlive } from './keep-alive.ts';
import { type ConnectionOptions, SocketConnection } from './socket-connection.ts';

export interface WebSocketOptions extends Omit<ConnectionOptions, 'formatter' | 'connectionInitTimeoutMs'> {
  server: Server;
  addresses: ClientAddresses;
  /** Path that is upgraded. */
  path: string;
  /** Time a client has to send `connection_init`, else 4408. Default: 3 s. */
  connectionInitTimeoutMs?: number;
  /** What may wait for one client, and for all. */
  sendLimits: SendLimits;
  /** Largest message in bytes, else 1009. Default: 64 kB. */
  maxMessageBytes?: number;
  /** Where a connection is counted until it is a WebSocket. */
  httpConnections: Pick<HttpConnections, 'release'>;
  /** A socket that has not answered a ping within this time, sent as often, is dropped. Default: 12 s. */
  keepAliveMs?: number;
  /** Whether a page of the request's origin may connect; clients other than browsers send none. Default: any. */
  allowsOrigin?(request: IncomingMessage): boolean;
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
  const { server, path, connections, httpConnections, addresses, sendLimits, log, allowsOrigin = () => true } = options;
  const { connectionInitTimeoutMs = 3_000, maxMessageBytes = 65_536, keepAliveMs = 12_000 } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    handleProtocols,
    WebSocket: ClientSocket,
    // One message of a socket per turn of the event loop: others have theirs in between.
    allowSynchronousEvents: false,
  });
  const keepAlive = createKeepAlive(sockets.clients, keepAliveMs);
  const shared: ConnectionOptions = { ...options, connectionInitTimeoutMs, formatter: createResultFormatter(log) };

  // Such as a frame over the size limit: `ws` closes with the code that fits.
  const onError = (error: Error) => log.debug({ error }, 'a socket failed');
  // The upgrade's request is let go of: with its headers it would be a good part of what a connection holds.
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
    // Not by `new URL`, which throws for addresses that are none.
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

/** Time that a client has to close after its upgrade was refused, until it is cut off. */
const refusedWithinMs = 1_000;

function refuseUpgrade(socket: Duplex, status: string): void {
  const timer = setTimeout(() => socket.destroy(), refusedWithinMs);
  // Node listens to the socket no more: a reset would be an error that nobody handles.
  socket.on('error', () => socket.destroy());
  socket.once('close', () => clearTimeout(timer));
  // What the client still sends is discarded; unread, it would keep the close from being seen.
  socket.resume();
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
