import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';

/** The proxy between all services and PostgreSQL. Use it with `await using`. */
export interface DatabaseProxy extends AsyncDisposable {
  /** The database's URL with the proxy's host and port. */
  readonly url: string;
  apply(fault: DatabaseFault): void;
  /**
   * The database sees a connection from the proxy's port `seenPort`. Resolves with the port of the client of this
   * connection. Resolves with undefined for an unknown port.
   */
  clientPortOf(seenPort: number): Promise<number | undefined>;
}

/**
 * A fault of the proxy.
 *
 * - `begin-cut` cuts the connection when a transaction begins. One in `every` transactions is affected.
 * - `silent` forwards no data until the fault ends.
 * - `none` ends the fault.
 */
export type DatabaseFault = { kind: 'begin-cut'; every: number } | { kind: 'silent' } | { kind: 'none' };

/** The messages to the proxy's thread. */
export type ProxyMessage = DatabaseFault | { kind: 'client-port'; seenPort: number; reply: MessagePort };

/**
 * Starts the proxy in a separate thread. In the main thread, which the clients keep busy, the proxy would delay the
 * database for all services.
 */
export async function startDatabaseProxy(targetUrl: string): Promise<DatabaseProxy> {
  const worker = new Worker(new URL('./database-proxy-worker.ts', import.meta.url), { workerData: targetUrl });
  // `once` rejects if the thread fails at its start. A later failure is an uncaught error, which ends the soak.
  const [url] = (await once(worker, 'message')) as [string];
  return {
    url,
    apply: (fault) => worker.postMessage(fault satisfies ProxyMessage),
    async clientPortOf(seenPort) {
      const { port1, port2 } = new MessageChannel();
      worker.postMessage({ kind: 'client-port', seenPort, reply: port2 } satisfies ProxyMessage, [port2]);
      const [clientPort] = await once(port1, 'message');
      port1.close();
      return clientPort;
    },
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}
