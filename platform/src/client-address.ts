import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { all, compile } from '@fastify/proxy-addr';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

/**
 * The setting `TRUSTED_PROXIES`: addresses, CIDRs, or `loopback`, `linklocal`, `uniquelocal`, with commas between them.
 * Default: none. A wrong entry is refused by name.
 */
export function trustedProxies() {
  return z
    .string()
    .default('')
    .transform((text, context) => {
      const entries = text
        .split(',')
        .map((entry) => entry.trim())
        .filter(Boolean);
      for (const entry of entries) {
        try {
          // The library reads 1.2.3 as 1.2.0.3, and 1 as 0.0.0.1.
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

/** Who a connection or a request comes from, seen through the trusted proxies. */
export interface ClientAddresses {
  /**
   * The address of the client that a request comes from: the connection's own, or, where that is a trusted proxy, the
   * last entry of `X-Forwarded-For` that no trusted proxy has. Never throws; an IPv4 address is written as such, also
   * where it came mapped into IPv6; `unknown` where the connection is closed already.
   */
  read(request: Pick<IncomingMessage, 'headers' | 'socket'>): string;
  /** Whether connections from here are a trusted proxy's, which carry many clients. */
  isProxy(remoteAddress: string | undefined): boolean;
}

/** @param proxies entries of `TRUSTED_PROXIES`; none: `X-Forwarded-For` is not believed */
export function createClientAddresses(proxies: readonly string[]): ClientAddresses {
  const trusts = compile([...proxies]);
  return {
    read(request) {
      const own = request.socket.remoteAddress;
      if (own === undefined) return unknownAddress;
      if (proxies.length === 0) return normalizeAddress(own);
      // Nearest first. What a trusted proxy passed on and is no address is nobody's: the proxy's own counts then.
      const addresses = all(request as IncomingMessage, trusts);
      return normalizeAddress(addresses.findLast((address) => isIP(address) !== 0) ?? own);
    },
    isProxy: (remoteAddress) => remoteAddress !== undefined && trusts(remoteAddress, 0),
  };
}

/** The address of a connection that was closed before it was asked. */
const unknownAddress = 'unknown';

function normalizeAddress(address: string): string {
  // A zone, as in fe80::1%eth0, is the host's own name for a link.
  const [bare = address] = address.split('%');
  return isIP(bare) === 4 ? bare : ipaddr.process(bare).toString();
}

/**
 * What addresses are counted by, where each client gets a share: an IPv4 address is its own group; an IPv6 one is
 * grouped with its /64, which is what one customer gets.
 */
export function groupAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`);
  return `${network.toString()}/64`;
}
