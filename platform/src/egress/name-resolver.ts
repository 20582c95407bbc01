import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { LRUCache } from 'lru-cache';
import { CodedError, errorCode } from '../errors.ts';
import { isIn, nameOf } from './host.ts';

export interface NameResolverOptions {
  /** Time-out for one name. The error NAME_SERVERS_UNAVAILABLE may take twice as long. Default: 5 s. */
  timeoutMs?: number;
  /** Name servers, `address:port`. Default: the system's. */
  servers?: readonly string[];
}

/**
 * Resolves names by DNS without `dns.lookup`, which occupies one of the few threads that the file system also uses. So
 * a name whose name server does not respond delays no other name. The hosts file is not read. Disposing rejects waiting
 * calls.
 */
export interface NameResolver extends Disposable {
  /**
   * Returns the IPv4 and IPv6 addresses of a name, at least one. Rejects with an error that has c-ares's code, such as
   * ENOTFOUND. Rejects with CodedError NAME_SERVERS_UNAVAILABLE if no name server has answered any query during the
   * call, not even a query for the DNS root.
   */
  resolve(name: string): Promise<readonly LookupAddress[]>;
}

const maxNames = 10_000;
/**
 * Limit of addresses per family (IPv4, IPv6). A client's host name may have thousands of addresses, which would all be
 * stored and tried.
 */
const maxPerFamily = 8;
/** Addresses are cached for their DNS time to live, within these bounds. */
const minCachedMs = 1_000;
const maxCachedMs = 300_000;
/** A name that does not exist is not looked up again for this time. */
const missingCachedMs = 5_000;
/**
 * Codes that c-ares reports if no name server has an answer. The fault may lie with the name servers of the queried
 * domain, or with ours.
 */
const unanswered: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EREFUSED', 'ESERVFAIL', 'ETIMEOUT']);
const loopback: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

export function createNameResolver({ timeoutMs = 5_000, servers }: NameResolverOptions = {}): NameResolver {
  const resolver = createResolver(timeoutMs, servers);
  const cache = new LRUCache<string, readonly LookupAddress[]>({ max: maxNames, ttl: maxCachedMs });
  const pending = new Map<string, Promise<readonly LookupAddress[]>>();

  let answeredAt = Number.NEGATIVE_INFINITY;
  let probe: Promise<boolean> | null = null;

  /**
   * Whether one of our name servers answers a query for the DNS root, which depends on no other domain. Concurrent
   * calls share one query.
   */
  const canAnswer = (): Promise<boolean> => {
    probe ??= resolver
      .resolveNs('.')
      .then(
        () => true,
        (error: unknown) => !unanswered.has(errorCode(error)),
      )
      .finally(() => {
        probe = null;
      });
    return probe;
  };

  const query = async (name: string): Promise<readonly LookupAddress[]> => {
    const startedAt = performance.now();
    const [ipv4, ipv6] = await Promise.allSettled([
      resolver.resolve4(name, { ttl: true }),
      resolver.resolve6(name, { ttl: true }),
    ]);
    if ([ipv4, ipv6].some(isAnswered)) answeredAt = performance.now();
    const records = [ipv4, ipv6].flatMap((found) =>
      found.status === 'fulfilled' ? found.value.slice(0, maxPerFamily) : [],
    );
    if (records.length > 0) {
      const ttlMs = 1_000 * Math.min(...records.map(({ ttl }) => ttl));
      const addresses = records.map(({ address }) => ({ address, family: address.includes(':') ? 6 : 4 }));
      cache.set(name, addresses, { ttl: Math.min(Math.max(ttlMs, minCachedMs), maxCachedMs) });
      return addresses;
    }
    const reason = [ipv4, ipv6].find((found) => found.status === 'rejected')?.reason ?? noAddress(name);
    if (errorCode(reason) === 'ENOTFOUND') cache.set(name, [], { ttl: missingCachedMs });
    if (unanswered.has(errorCode(reason)) && answeredAt < startedAt && !(await canAnswer()))
      throw new CodedError('NAME_SERVERS_UNAVAILABLE', 'No name server answers.', { cause: reason });
    throw reason;
  };

  return {
    async resolve(hostname) {
      const name = nameOf(hostname);
      if (isIn(name, 'localhost')) return loopback;
      const cached = cache.get(name);
      if (cached?.length === 0) throw Object.assign(new Error(`${name} does not exist`), { code: 'ENOTFOUND' });
      if (cached) return cached;
      const running = pending.get(name) ?? query(name).finally(() => pending.delete(name));
      pending.set(name, running);
      return running;
    },
    [Symbol.dispose]: () => resolver.cancel(),
  };
}

/**
 * Creates a resolver. Within `timeoutMs`, it tries each server twice. c-ares doubles the time-out for the second try.
 */
function createResolver(timeoutMs: number, servers: readonly string[] | undefined): Resolver {
  const tries = 2;
  const count = (servers ?? new Resolver().getServers()).length;
  const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 4 / Math.max(count, 1)), tries });
  if (servers) resolver.setServers(servers);
  return resolver;
}

/** The error for a name whose answers contain only aliases (CNAME). c-ares reports no error for such a name. */
function noAddress(name: string): Error {
  return Object.assign(new Error(`${name} has no address`), { code: 'ENODATA' });
}

function isAnswered(result: PromiseSettledResult<unknown>): boolean {
  return result.status === 'fulfilled' || !unanswered.has(errorCode(result.reason));
}
