import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ClientAddresses, groupAddress } from '@voucher-gateway/platform/http/client-address';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRejectionLog } from './rejection-log.ts';

export interface HttpConnectionsOptions {
  server: Server;
  addresses: ClientAddresses;
  /** Limit of concurrent connections per address (IPv6: per 64-bit prefix); `Infinity` for none. */
  maxPerAddress: number;
  log: Log;
}

/** The server's open HTTP connections. Disposing removes the limit. */
export interface HttpConnections extends Disposable {
  /** Stops counting a connection that has become a WebSocket, which `OpenConnections` counts. */
  release(socket: Duplex): void;
}

/**
 * Limits the HTTP connections per address. A connection counts from its acceptance, so that clients which send headers
 * slowly are also limited. Further connections are reset. Trusted proxies are not limited.
 */
export function limitHttpConnections(options: HttpConnectionsOptions): HttpConnections {
  const { server, addresses, maxPerAddress, log } = options;
  const counts = new Map<string, number>();
  const groups = new WeakMap<Duplex, string>();
  const logRejected = createRejectionLog(log);

  const release = (socket: Duplex) => {
    const group = groups.get(socket);
    if (group === undefined) return;
    groups.delete(socket);
    socket.off('close', onClose);
    const left = (counts.get(group) ?? 1) - 1;
    if (left === 0) counts.delete(group);
    else counts.set(group, left);
  };
  function onClose(this: Socket) {
    release(this);
  }
  const onConnection = (socket: Socket) => {
    if (addresses.isProxy(socket.remoteAddress)) return;
    const group = groupAddress(addresses.read({ socket, headers: {} }));
    const count = counts.get(group) ?? 0;
    if (count >= maxPerAddress) {
      logRejected('httpPerAddress', maxPerAddress);
      return void socket.resetAndDestroy();
    }
    counts.set(group, count + 1);
    groups.set(socket, group);
    socket.once('close', onClose);
  };
  if (maxPerAddress !== Number.POSITIVE_INFINITY) server.on('connection', onConnection);
  return {
    release,
    [Symbol.dispose]: () => void server.off('connection', onConnection),
  };
}
