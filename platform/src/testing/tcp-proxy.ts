import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A proxy between a client and a server, which simulates network faults for tests. Use it with `await using`. */
export interface TcpProxy extends AsyncDisposable {
  /** The target's URL with the proxy's host and port. */
  readonly url: string;
  /** Closes every connection, and rejects new ones until `restore`. */
  cut(): void;
  /** Holds back every byte of every connection, in both directions, until `restore`. Nothing is lost or closed. */
  silence(): void;
  /** Drops every byte of the open connections, without closing them. Later connections work. */
  vanish(): void;
  /** Ends `cut` and `silence`. */
  restore(): void;
  /**
   * Cuts each connection whose client sends matching data, until the returned function is called. With `before`, the
   * connection is cut before the server receives the data. With `after`, the server receives the data, but its response
   * is lost.
   */
  cutAt(what: RegExp | ((data: Buffer) => boolean), when: 'before' | 'after'): () => void;
  /** Resolves once `count` connections have been accepted since the start. */
  untilTaken(count: number): Promise<void>;
  readonly taken: number;
  /**
   * Returns the port of the client of a connection. `seenPort` is the port that the server sees, which is a port of the
   * proxy. Returns undefined for an unknown `seenPort`.
   */
  clientPortOf(seenPort: number): number | undefined;
}

export async function startTcpProxy(targetUrl: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(targetUrl);
  const sockets = new Set<Socket>();
  const vanished = new WeakSet<Socket>();
  const waiting = new Set<() => void>();
  /** Each socket to the server, with the socket to the client. */
  const clientOf = new Map<Socket, Socket>();
  const traps = new Set<{ matches(data: Buffer): boolean; when: 'before' | 'after' }>();
  let isCut = false;
  let taken = 0;
  let speaking: PromiseWithResolvers<void> | null = null;

  const server = createServer((incoming) => {
    incoming.on('error', () => {});
    if (isCut) return void incoming.resetAndDestroy();
    taken += 1;
    for (const look of waiting) look();
    const outgoing = connect(Number(port), hostname);
    clientOf.set(outgoing, incoming);
    outgoing.once('close', () => clientOf.delete(outgoing));
    let isAnswerLost = false;
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('data', (data: Buffer) => {
        if (vanished.has(from)) return;
        const isFromClient = from === incoming;
        const sprung = isFromClient && [...traps].find(({ matches }) => matches(data));
        if (sprung && sprung.when === 'before') return void from.resetAndDestroy();
        if (sprung) isAnswerLost = true;
        if (!isFromClient && isAnswerLost) return void to.resetAndDestroy();
        if (!speaking) return void to.write(data);
        from.pause();
        void speaking.promise.then(() => {
          to.write(data);
          from.resume();
        });
      });
      from.once('end', () => to.end());
      from.once('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const url = new URL(targetUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.pathname === '/' ? url.href.replace(/\/$/, '') : url.href,
    cut,
    silence() {
      speaking ??= Promise.withResolvers();
    },
    vanish() {
      for (const socket of sockets) vanished.add(socket);
    },
    restore() {
      isCut = false;
      speaking?.resolve();
      speaking = null;
    },
    cutAt(what, when) {
      const matches = what instanceof RegExp ? (data: Buffer) => what.test(data.toString('latin1')) : what;
      const trap = { matches, when };
      traps.add(trap);
      return () => void traps.delete(trap);
    },
    get taken() {
      return taken;
    },
    // `localPort` is read at each call, because it is not known before the connection to the server is open.
    clientPortOf: (seenPort) => [...clientOf].find(([{ localPort }]) => localPort === seenPort)?.[1].remotePort,
    untilTaken: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (taken < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
