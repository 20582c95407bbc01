import type { WebSocket } from 'ws';

/** Pings sockets now and then, and drops those that do not answer. */
export interface KeepAlive extends Disposable {
  /** Watches one, until it is closed. */
  watch(socket: WebSocket): void;
}

/** Sockets are pinged in so many groups, one after the other. */
const groups = 12;

/** One timer for all sockets: with one each, timers would be a good part of what a connection holds. */
export function createKeepAlive(everyMs: number): KeepAlive {
  const watched = Array.from({ length: groups }, () => new Set<WebSocket>());
  const silent = new WeakSet<WebSocket>();
  let next = 0;
  let turn = 0;
  function onPong(this: WebSocket) {
    silent.delete(this);
  }
  const timer = setInterval(() => {
    turn = (turn + 1) % groups;
    for (const socket of watched[turn] ?? []) {
      if (silent.has(socket)) {
        socket.terminate();
        continue;
      }
      silent.add(socket);
      socket.ping();
    }
  }, everyMs / groups);
  timer.unref();
  return {
    watch(socket) {
      next = (next + 1) % groups;
      const group = watched[next];
      group?.add(socket);
      socket.on('pong', onPong);
      socket.once('close', () => group?.delete(socket));
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
