import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A network between a client and a server that a test can cut. Use it with `await using`. */
export interface CuttableProxy extends AsyncDisposable {
  readonly url: string;
  /** Cuts every connection, and takes none until it is mended. */
  cut(): void;
  mend(): void;
  /** Resolves once this many connections have been taken since the start. */
  untilTaken(count: number): Promise<void>;
  readonly taken: number;
}

export async function startCuttableProxy(targetUrl: string): Promise<CuttableProxy> {
  const { hostname, port } = new URL(targetUrl);
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  let isCut = false;
  let taken = 0;
  const server = createServer((incoming) => {
    incoming.on('error', () => {});
    if (isCut) return void incoming.resetAndDestroy();
    taken += 1;
    for (const look of waiting) look();
    const outgoing = connect(Number(port), hostname);
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.pipe(to);
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
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend() {
      isCut = false;
    },
    get taken() {
      return taken;
    },
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
