import { randomUUID } from 'node:crypto';
import type { Log } from '@voucher-gateway/platform/log';
import { CloseCode, type Server } from 'graphql-ws';
import type { WebSocket, WebSocketServer } from 'ws';
import type { OpenConnections } from './open-connections.ts';

/** What the core knows of the socket below a connection. */
export interface SocketExtra {
  readonly socket: WebSocket;
}

export interface SocketAdapterOptions {
  /** The protocol's core, from graphql-ws's `makeServer`. */
  core: Server<SocketExtra>;
  sockets: WebSocketServer;
  /** Where each socket is counted, and closed in the drain. */
  connections: OpenConnections;
  /** Connections at most; one more is closed with 1013. */
  maxConnections: number;
  /** Bytes that may wait for a client to read them; with more the socket is closed with 1013. */
  maxBufferedBytes: number;
  /** Resolves when nothing runs that the connection waits an answer for. */
  idle(extra: SocketExtra): Promise<void>;
  log: Log;
  /** A socket that has not answered a ping within this time, sent as often, is dropped. Default: 12 s. */
  keepAliveMs?: number;
  /** Time that a client has to answer a close, until it is cut off. Default: 1 s. */
  closeWithinMs?: number;
}

/**
 * Speaks graphql-ws's core over `ws`. In place of `graphql-ws/use/ws`, which writes to the console and puts an
 * internal error's message into the close reason.
 *
 * What is sent is handed to the socket at once, and what a slow client leaves there is counted: nothing else waits
 * for it, and it holds no more than `maxBufferedBytes`.
 *
 * In the drain a socket is closed with 1001 once it is idle. Disposing closes every socket that is left.
 */
export function adaptSockets(options: SocketAdapterOptions): AsyncDisposable {
  const { core, sockets, connections, maxConnections, maxBufferedBytes, idle, log } = options;
  const { keepAliveMs = 12_000, closeWithinMs = 1_000 } = options;

  /** Closes, and cuts off who does not answer; resolves when it is closed. */
  const close = (socket: WebSocket, code: number, reason: string): Promise<void> =>
    new Promise((resolve) => {
      if (socket.readyState === socket.CLOSED) return resolve();
      const timer = setTimeout(() => socket.terminate(), closeWithinMs);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.close(code, reason);
    });

  // The upgrade's request is let go of: with its headers it would be a good part of what a connection holds.
  const onConnection = (socket: WebSocket) => {
    const connectionId = randomUUID();
    const extra: SocketExtra = { socket };
    const fail = (error: unknown, message: string) => {
      log.warn({ error, connectionId }, message);
      socket.close(CloseCode.InternalServerError, 'Internal server error');
    };
    // Such as a frame over the size limit: `ws` closes with the code that fits.
    socket.on('error', (error) => log.debug({ error, connectionId }, 'a socket failed'));

    if (connections.count >= maxConnections) {
      log.warn({ maxConnections }, 'a connection is sent away: there are as many as may be');
      return void close(socket, 1013, 'TOO_MANY_CONNECTIONS');
    }
    const counted = connections.add(async () => {
      // Who is closed for good, or falls silent, is not waited for.
      await Promise.race([idle(extra), new Promise((resolve) => socket.once('close', resolve))]);
      await close(socket, 1001, 'Going away');
    });

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
        send(data) {
          if (socket.readyState !== socket.OPEN) return;
          socket.send(data);
          if (socket.bufferedAmount <= maxBufferedBytes) return;
          log.info({ connectionId, bufferedBytes: socket.bufferedAmount }, 'a client reads too slowly: it is closed');
          void close(socket, 1013, 'TOO_SLOW');
        },
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data) => {
            handle(String(data)).catch((error: unknown) => fail(error, 'a message could not be handled'));
          }),
      },
      extra,
    );
    socket.once('close', (code, reason) => {
      clearInterval(keepAlive);
      counted[Symbol.dispose]();
      closed(code, String(reason)).catch((error: unknown) =>
        log.warn({ error, connectionId }, 'a connection could not be cleaned up'),
      );
    });
  };
  sockets.on('connection', onConnection);

  return {
    async [Symbol.asyncDispose]() {
      sockets.off('connection', onConnection);
      await Promise.all([...sockets.clients].map((socket) => close(socket, 1001, 'Going away')));
      sockets.close();
    },
  };
}
