import type { WebSocket } from 'ws';
import type { ClientSocket } from './client-socket.ts';

/**
 * Interval of the timer. Each tick pings only a few sockets, because pinging all sockets at once would delay events.
 */
const tickMs = 20;

/**
 * Pings each socket once every `everyMs`, and terminates those that have not answered by their next ping. A socket
 * whose reading is paused for an operation is skipped, because it can't receive a pong. All sockets share one timer,
 * because separate timers would take a large part of a connection's memory.
 *
 * @param sockets the open sockets, in the order in which they connected; the set changes while the keep-alive runs
 */
export function createKeepAlive(sockets: ReadonlySet<ClientSocket>, everyMs: number) {
  let round = sockets.values();
  /** Number of sockets to ping in this tick. A fraction of a socket is carried over to the next tick. */
  let due = 0;
  function onPong(this: WebSocket) {
    (this as ClientSocket).awaitsPong = false;
  }
  const timer = setInterval(() => {
    due = Math.min(due + (sockets.size * tickMs) / everyMs, sockets.size);
    for (; due >= 1; due -= 1) {
      let next = round.next();
      if (next.done) {
        round = sockets.values();
        next = round.next();
      }
      if (next.done) return;
      const socket = next.value;
      if (socket.isReadingPaused) continue;
      if (socket.awaitsPong) {
        socket.terminate();
        continue;
      }
      socket.awaitsPong = true;
      socket.ping();
    }
  }, tickMs);
  timer.unref();
  return {
    /** Listens for the pongs of a socket. */
    watch: (socket: ClientSocket) => void socket.on('pong', onPong),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
