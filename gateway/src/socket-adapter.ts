import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Log } from '@voucher-gateway/platform/log';
import { CloseCode, type Server } from 'graphql-ws';
import type { WebSocket, WebSocketServer } from 'ws';

/** What the core knows of the socket below a connection. */
export interface SocketExtra {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
}

export interface SocketAdapterOptions {
  /** The protocol's core, from graphql-ws's `makeServer`. */
  core: Server<SocketExtra>;
  sockets: WebSocketServer;
  log: Log;
  /** A socket that has not answered a ping within this time, sent as often, is dropped. Default: 12 s. */
  keepAliveMs?: number;
  /** Time that a client has to answer the close at the end. Default: 1 s. */
  closeWithinMs?: number;
}

/**
 * Speaks graphql-ws's core over `ws`. In place of `graphql-ws/use/ws`, which writes to the console and puts an
 * internal error's message into the close reason.
 *
 * Disposing closes every socket with 1001, and drops those that don't answer in time.
 */
export function adaptSockets(options: SocketAdapterOptions): AsyncDisposable {
  const { core, sockets, log, keepAliveMs = 12_000, closeWithinMs = 1_000 } = options;

  const onConnection = (socket: WebSocket, request: IncomingMessage) => {
    const connectionId = randomUUID();
    const fail = (error: unknown, message: string) => {
      log.warn({ error, connectionId }, message);
      socket.close(CloseCode.InternalServerError, 'Internal server error');
    };
    // Such as a frame over the size limit: `ws` closes with the code that fits.
    socket.on('error', (error) => log.debug({ error, connectionId }, 'a socket failed'));

    let isAlive = true;
    socket.on('pong', () => {
      isAlive = true;
    });
    const keepAlive = setInterval(() => {
      if (!isAlive) return socket.terminate();
      isAlive = false;
      socket.ping();
    }, keepAliveMs);

    const closed = core.opened(
      {
        protocol: socket.protocol,
        send: (data) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve();
            socket.send(data, (error) => (error ? reject(error) : resolve()));
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data) => {
            handle(String(data)).catch((error: unknown) => fail(error, 'a message could not be handled'));
          }),
      },
      { socket, request },
    );
    socket.once('close', (code, reason) => {
      clearInterval(keepAlive);
      closed(code, String(reason)).catch((error: unknown) =>
        log.warn({ error, connectionId }, 'a connection could not be cleaned up'),
      );
    });
  };
  sockets.on('connection', onConnection);

  return {
    async [Symbol.asyncDispose]() {
      sockets.off('connection', onConnection);
      const allClosed = [...sockets.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      for (const socket of sockets.clients) socket.close(1001, 'Going away');
      const timer = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, closeWithinMs);
      await Promise.all(allClosed);
      clearTimeout(timer);
      sockets.close();
    },
  };
}
