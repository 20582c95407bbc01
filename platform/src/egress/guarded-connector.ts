import type { LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { CodedError } from '../errors.ts';
import { type AddressPolicy, addressRefusal } from './address-policy.ts';
import { literalOf } from './host.ts';
import type { NameResolver } from './name-resolver.ts';

/**
 * Creates an undici connector that rejects refused addresses with ADDRESS_REFUSED. It checks the resolved addresses at
 * each connection, as a protection against DNS rebinding. A name with one refused address is refused.
 */
export function createGuardedConnector({
  policy,
  resolver,
  timeoutMs,
}: {
  policy: AddressPolicy;
  resolver: NameResolver;
  /** Time-out of a connection, in milliseconds. */
  timeoutMs: number;
}): buildConnector.connector {
  const lookup: LookupFunction = (hostname, { all, family }, callback) => {
    resolver.resolve(hostname).then(
      (addresses) => {
        if (addresses.some(({ address }) => addressRefusal(address, policy) !== null))
          return callback(refused(), '', 0);
        const usable = addresses.filter((each) => !family || each.family === familyOf(family));
        const [first] = usable;
        if (!first) callback(Object.assign(new Error(`${hostname} has no such address`), { code: 'ENOTFOUND' }), '', 0);
        else if (all) callback(null, usable);
        else callback(null, first.address, first.family);
      },
      callback as (error: NodeJS.ErrnoException) => void,
    );
  };
  const connect = buildConnector({ timeout: timeoutMs, lookup, allowH2: false });
  return (options, callback) => {
    // If the host is an IP address, it is checked here, because it does not pass through `lookup`.
    const literal = literalOf(options.hostname);
    if (literal !== null && addressRefusal(literal, policy) !== null) callback(refused(), null);
    else connect(options, callback);
  };
}

function familyOf(family: number | 'IPv4' | 'IPv6'): number {
  return typeof family === 'number' ? family : Number(family.slice(-1));
}

function refused(): CodedError {
  return new CodedError('ADDRESS_REFUSED', 'This address may not be called.');
}
