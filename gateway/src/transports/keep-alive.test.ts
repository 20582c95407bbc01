import { EventEmitter } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import type { ClientSocket } from './client-socket.ts';
import { createKeepAlive } from './keep-alive.ts';

const everyMs = 12_000;

/** Creates a socket. `answers` sets whether the client answers pings. */
function openSocket(sockets: Set<ClientSocket>, pings: number[], answers: boolean) {
  const socket = Object.assign(new EventEmitter(), {
    awaitsPong: false,
    isReadingPaused: false,
    pings: 0,
    ping() {
      socket.pings += 1;
      pings.push(Date.now());
      if (answers) socket.emit('pong');
    },
    terminate: () => sockets.delete(socket as unknown as ClientSocket),
  });
  sockets.add(socket as unknown as ClientSocket);
  return socket;
}

/** Creates sockets on vitest's fake timers. Until the returned value is disposed, real timers do not run. */
function setUp({ answering, silent = 0 }: { answering: number; silent?: number }) {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  const sockets = new Set<ClientSocket>();
  const pings: number[] = [];
  const keepAlive = createKeepAlive(sockets, everyMs);
  const open = (count: number, answers: boolean) =>
    Array.from({ length: count }, () => {
      const socket = openSocket(sockets, pings, answers);
      keepAlive.watch(socket as unknown as ClientSocket);
      return socket;
    });
  return {
    sockets,
    pings,
    answering: open(answering, true),
    silent: open(silent, false),
    open,
    [Symbol.dispose]() {
      keepAlive[Symbol.dispose]();
      vi.useRealTimers();
    },
  };
}

describe('keep-alive', () => {
  it.each([1, 7, 1_000])('pings each of %d sockets once per interval, a few at a time', (count) => {
    using ctx = setUp({ answering: count });
    vi.advanceTimersByTime(everyMs * 10 + 100);
    for (const { pings } of ctx.answering) expect([10, 11]).toContain(pings);
    const atOnce = Map.groupBy(ctx.pings, (at) => at);
    expect(Math.max(...[...atOnce.values()].map(({ length }) => length))).toBeLessThanOrEqual(2);
  });

  it('drops sockets that have not answered by the next ping', () => {
    using ctx = setUp({ answering: 50, silent: 50 });
    vi.advanceTimersByTime(everyMs + 100);
    expect(ctx.sockets.size).toBe(100);
    vi.advanceTimersByTime(everyMs * 2);
    expect(ctx.sockets.size).toBe(50);
    for (const socket of ctx.answering) expect(ctx.sockets.has(socket as unknown as ClientSocket)).toBe(true);
  });

  it('continues after all sockets have left, with new ones', () => {
    using ctx = setUp({ answering: 3 });
    vi.advanceTimersByTime(everyMs);
    ctx.sockets.clear();
    vi.advanceTimersByTime(everyMs);
    const [late] = ctx.open(1, true);
    vi.advanceTimersByTime(everyMs * 3 + 100);
    expect(late?.pings).toBe(3);
  });

  it('does not drop a socket that is paused, whose pong is not read', () => {
    using ctx = setUp({ answering: 0, silent: 2 });
    const [paused] = ctx.silent;
    if (paused) paused.isReadingPaused = true;
    vi.advanceTimersByTime(everyMs * 3);
    expect(ctx.sockets.size).toBe(1);
    if (paused) paused.isReadingPaused = false;
    vi.advanceTimersByTime(everyMs * 3);
    expect(ctx.sockets.size).toBe(0);
  });
});
