import type { WebSocket } from 'ws';
import type { ClientSocket } from './client-socket.ts';

/** Sockets are pinged in so many groups, one after the other. */
const groups = 12;

/**
 * Pings sockets now and then, and drops those that do not answer. One timer for all: with one each, timers would be a
 * good part of what a connection holds.
 */
export function createKeepAlive(sockets: Iterable<ClientSocket>, everyMs: number) {
  let next = 0;
  let turn = 0;
  function onPong(this: WebSocket) {
    (this as ClientSocket).isSilent = false;
  }
  const timer = setInterval(() => {
    turn = (turn + 1) % groups;
    for (const socket of sockets) {
      if (socket.keepAliveGroup !== turn) continue;
      if (socket.isSilent) {
        socket.terminate();
        continue;
      }
      socket.isSilent = true;
      socket.ping();
    }
  }, everyMs / groups);
  timer.unref();
  return {
    /** Watches one of the sockets, too. */
    watch(socket: ClientSocket) {
      next = (next + 1) % groups;
      socket.keepAliveGroup = next;
      socket.on('pong', onPong);
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
