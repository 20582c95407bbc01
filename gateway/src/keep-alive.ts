import type { WebSocket } from 'ws';
import type { ClientSocket } from './client-socket.ts';

/** What is due is pinged so often, a few at a time: many at once would hold up the events behind them. */
const tickMs = 20;

/**
 * Pings each socket once in `everyMs`, and drops those that have not answered by the next time. One timer for all: with
 * one each, timers would be a good part of what a connection holds.
 *
 * @param sockets in the order in which they came; may change at any time
 */
export function createKeepAlive(sockets: ReadonlySet<ClientSocket>, everyMs: number) {
  let round = sockets.values();
  /** How many are due, with fractions. */
  let due = 0;
  function onPong(this: WebSocket) {
    (this as ClientSocket).isSilent = false;
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
      if (socket.isHeld) continue;
      if (socket.isSilent) {
        socket.terminate();
        continue;
      }
      socket.isSilent = true;
      socket.ping();
    }
  }, tickMs);
  timer.unref();
  return {
    /** Has an answer of one of the sockets count. */
    watch: (socket: ClientSocket) => void socket.on('pong', onPong),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
