import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { startDnsServer } from '@voucher-gateway/platform/testing/dns-server';

/**
 * Receivers of callbacks on one port, each with a separate host name. They respond with 204 unless instructed
 * otherwise.
 */
export interface Receivers extends AsyncDisposable {
  /** Address of the receivers' name server. */
  readonly nameServer: string;
  /** Returns the URL of a receiver, and adds its name to the name server. */
  urlOf(name: string): string;
  /** Sets whether a receiver accepts requests without ever responding. */
  setHanging(name: string, isHanging: boolean): void;
  /** Sets whether a receiver responds with 503. */
  setFailing(name: string, isFailing: boolean): void;
  /** Makes the name server stop responding for a name. */
  killNameServer(name: string): void;
}

const domain = 'receivers.example.com';

/** @param onCallback called with the voucher id of each callback that gets a 204 */
export async function startReceivers(onCallback: (voucherId: string) => void): Promise<Receivers> {
  await using releases = new AsyncDisposableStack();
  // The time to live is longer than the benchmark. So delivery looks up a name only once, unless its name server is
  // dead.
  const dns = releases.use(await startDnsServer({ ttlSeconds: 300 }));
  const hanging = new Set<string>();
  const failing = new Set<string>();
  const hostOf = (name: string) => `${name}.${domain}`;
  const server = createServer(async (request, response) => {
    const body = (await json(request).catch(() => null)) as { data?: { voucherId?: string } } | null;
    const host = request.headers.host?.split(':')[0] ?? '';
    if (hanging.has(host)) return;
    if (failing.has(host)) return void response.writeHead(503).end();
    response.writeHead(204).end();
    onCallback(body?.data?.voucherId ?? '');
  });
  // Connections stay open, because closing a connection while a callback is on its way would make the attempt fail.
  server.keepAliveTimeout = 600_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  releases.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const owned = releases.move();
  return {
    nameServer: dns.address,
    urlOf(name) {
      dns.addresses.set(hostOf(name), ['127.0.0.1']);
      return `http://${hostOf(name)}:${port}/callback`;
    },
    setHanging(name, isHanging) {
      if (isHanging) hanging.add(hostOf(name));
      else hanging.delete(hostOf(name));
    },
    setFailing(name, isFailing) {
      if (isFailing) failing.add(hostOf(name));
      else failing.delete(hostOf(name));
    },
    killNameServer: (name) => void dns.addresses.set(hostOf(name), null),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
