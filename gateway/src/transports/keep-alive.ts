import type { WebSocket } from 'ws';
import type { ClientSocket } from './client-socket.ts';

/** Interval at which the sockets that are due are pinged, a few at a time: a burst of pings would delay events. */
const tickMs = 20;

/**
 * Pings each socket once every `everyMs`, and terminates those that have not answered by the next ping. All sockets share
 * one timer: a timer each would be a large part of a connection's memory.
 *
 * @param sockets a live set in the order of connecting
 */
export function createKeepAlive(sockets: ReadonlySet<ClientSocket>, everyMs: number) {
  let round = sockets.values();
  /** Number of sockets that are due; a fraction is carried over to the next tick. */
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
    /** Listens to the pongs of a socket. */
    watch: (socket: ClientSocket) => void socket.on('pong', onPong),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
