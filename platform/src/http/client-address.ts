import type { IncomingMessage } from 'node:http';
import { isIP, isIPv4 } from 'node:net';
import { all, compile } from '@fastify/proxy-addr';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { listItems } from '../process/config.ts';

/**
 * The setting `TRUSTED_PROXIES`: comma-separated addresses, CIDRs, or `loopback`, `linklocal`, `uniquelocal`. Default:
 * none. The error message names the wrong entry.
 */
export function trustedProxies() {
  return z
    .string()
    .default('')
    .transform((text, context) => {
      const entries = listItems(text);
      for (const entry of entries) {
        try {
          // The entry is checked here, because the library accepts shortened addresses and reads 1.2.3 as 1.2.0.3.
          if (!names.has(entry) && isIP(entry.split('/', 1)[0] ?? '') === 0) throw new Error('no address');
          compile(entry);
        } catch {
          context.addIssue({ code: 'custom', message: `must be addresses or CIDRs: ${entry} is none` });
          return z.NEVER;
        }
      }
      return entries as readonly string[];
    });
}

const names: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** Finds the addresses of clients, also of clients behind trusted proxies. */
export interface ClientAddresses {
  /**
   * Returns the address of the client that sent a request. Usually, it is the connection's address. Behind a trusted
   * proxy, it is the last entry of `X-Forwarded-For` that is not a trusted proxy. Never throws.
   *
   * An IPv4 address that is mapped into IPv6 is returned as IPv4. `unknown` means that the connection is already
   * closed.
   */
  read(request: Pick<IncomingMessage, 'headers' | 'socket'>): string;
  /** Whether the remote address is a trusted proxy, whose connections carry many clients. */
  isProxy(remoteAddress: string | undefined): boolean;
}

/** @param proxies entries of `TRUSTED_PROXIES`; without any, `X-Forwarded-For` is ignored */
export function createClientAddresses(proxies: readonly string[]): ClientAddresses {
  const trusts = compile([...proxies]);
  return {
    read(request) {
      const own = request.socket.remoteAddress;
      if (own === undefined) return unknownAddress;
      if (proxies.length === 0) return normalizeAddress(own);
      // The list goes from the address of the connection towards the client. The last valid address counts. If a
      // trusted proxy passed on an invalid entry, the last valid address is that of the proxy.
      const addresses = all(request as IncomingMessage, trusts);
      return normalizeAddress(addresses.findLast((address) => isIP(address) !== 0) ?? own);
    },
    isProxy: (remoteAddress) => remoteAddress !== undefined && trusts(remoteAddress, 0),
  };
}

/** Returned as the client's address if the connection was closed before its address was read. */
const unknownAddress = 'unknown';

function normalizeAddress(address: string): string {
  if (isIPv4(address)) return address;
  // Removes the zone of an IPv6 address, such as `eth0` in `fe80::1%eth0`. A zone has a meaning on one host only.
  const [bare = address] = address.split('%');
  return isIPv4(bare) ? bare : ipaddr.process(bare).toString();
}

/**
 * Returns the key under which rate limits count an address: the whole IPv4 address, or the first 64 bits of an IPv6
 * address. Providers assign a whole /64 network to one customer.
 */
export function groupAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`);
  return `${network.toString()}/64`;
}
