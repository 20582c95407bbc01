import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { CodedError } from '@voucher-gateway/platform/errors';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';

/** Metadata services of clouds whose addresses are in public or private ranges. */
const metadataAddresses = new Set(['168.63.129.16', 'fd00:ec2::254']);
/** The ranges that CALLBACK_ALLOW_LOOPBACK allows. */
const internalRanges = new Set(['loopback', 'private', 'uniqueLocal']);

/**
 * Whether callbacks to an address are refused. Allowed are public unicast and, with `allowLoopback`, loopback and private
 * addresses. Link-local and metadata addresses are always refused.
 *
 * @param address IPv4 or IPv6; an IPv4-mapped IPv6 address is treated as IPv4
 */
export function isRefusedAddress(address: string, { allowLoopback }: { allowLoopback: boolean }): boolean {
  if (!ipaddr.isValid(address)) return true;
  const parsed = ipaddr.process(address);
  if (metadataAddresses.has(parsed.toString())) return true;
  const range = parsed.range();
  return range !== 'unicast' && !(allowLoopback && internalRanges.has(range));
}

/**
 * Creates an undici connector that rejects refused addresses with ADDRESS_REFUSED. It checks the resolved addresses of
 * each connection, against DNS rebinding. A name with one refused address is refused.
 */
export function createGuardedConnector({
  allowLoopback,
  timeoutMs,
  lookup = systemLookup as LookupAll,
}: {
  allowLoopback: boolean;
  timeoutMs: number;
  lookup?: LookupAll;
}): buildConnector.connector {
  const guardedLookup: LookupFunction = (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error || !first) return callback(error ?? refusal(), '', 0);
      if (addresses.some(({ address }) => isRefusedAddress(address, { allowLoopback })))
        return callback(refusal(), '', 0);
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
  const connect = buildConnector({ timeout: timeoutMs, lookup: guardedLookup, allowH2: false });
  return (options, callback) => {
    // A literal address does not pass through the lookup.
    const literal = options.hostname.replace(/^\[|\]$/g, '');
    if (isIP(literal) && isRefusedAddress(literal, { allowLoopback })) callback(refusal(), null);
    else connect(options, callback);
  };
}

/** `dns.lookup` with `all`. */
export type LookupAll = (
  hostname: string,
  options: { all: true; family?: number | 'IPv4' | 'IPv6'; hints?: number },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

function refusal(): CodedError {
  return new CodedError('ADDRESS_REFUSED', 'Callbacks may not go to this address.');
}
