import type { ReplyHeaders } from '../federation/exchange.ts';

/** How a response may be cached. */
export interface Caching {
  /** Seconds for which the response may be cached. With 0, the response must not be stored. */
  maxAgeSeconds: number;
  /**
   * Which caches may store the response. Null if `cache-control` names neither `public` nor `private`. With null, a
   * shared cache stores only responses to requests without `authorization`.
   */
  scope: 'public' | 'private' | null;
  /** The request headers that the response depends on. */
  vary: ReadonlySet<string>;
}

/** The largest age that caches must understand (RFC 9111 section 1.2.2). */
const maxAgeSeconds = 2_147_483_648;

/** A response that no cache may store. */
export const notAtAll: Caching = { maxAgeSeconds: 0, scope: null, vary: new Set() };
/** A response that only the client's own cache may store. */
export const ownOnly: Caching = { maxAgeSeconds, scope: 'private', vary: new Set() };

/**
 * Reads how a subgraph's response may be cached. A response without `cache-control` must not be stored, because no
 * header allows it. If `cache-control` has several ages (`max-age`, `s-maxage`), the shortest counts.
 *
 * @param variesBy the client's headers that were forwarded to the subgraph; other names in the subgraph's `vary` are
 *   ignored
 */
export function readCaching(headers: ReplyHeaders, variesBy: ReadonlySet<string>): Caching {
  const vary = textOf(headers.vary)
    .split(',')
    .map((name) => name.trim());
  const directives = readDirectives(textOf(headers['cache-control']));
  const ages = directives.filter(([name]) => name === 'max-age' || name === 's-maxage').map(([, age]) => readAge(age));
  const has = (wanted: string) => directives.some(([name]) => name === wanted);
  if (ages.length === 0 || has('no-store') || has('no-cache') || vary.includes('*')) return notAtAll;
  return {
    maxAgeSeconds: Math.min(...ages),
    scope: has('private') ? 'private' : has('public') ? 'public' : null,
    vary: new Set(vary.filter((name) => variesBy.has(name))),
  };
}

export function strictest(first: Caching, second: Caching): Caching {
  const scopes = [first.scope, second.scope];
  return {
    maxAgeSeconds: Math.min(first.maxAgeSeconds, second.maxAgeSeconds),
    scope: scopes.includes('private') ? 'private' : scopes.includes(null) ? null : 'public',
    vary: new Set([...first.vary, ...second.vary]),
  };
}

export function writeCacheControl({ maxAgeSeconds, scope }: Omit<Caching, 'vary'>): string {
  if (maxAgeSeconds === 0) return 'no-store';
  return scope === null ? `max-age=${maxAgeSeconds}` : `max-age=${maxAgeSeconds}, ${scope}`;
}

/** Parses directives with their arguments. A quoted argument may contain commas (RFC 9111 section 5.2). */
function readDirectives(text: string): [name: string, argument: string][] {
  return [...text.matchAll(/([^\s,="]+)(?:="([^"]*)"|=([^\s,"]*))?/g)].map(([, name = '', quoted, plain]) => [
    name,
    quoted ?? plain ?? '',
  ]);
}

/** Parses an age in seconds. An invalid age counts as 0. */
function readAge(text: string): number {
  return /^\d+$/.test(text) ? Math.min(Number(text), maxAgeSeconds) : 0;
}

function textOf(value: string | string[] | undefined): string {
  return [value ?? []].flat().join().toLowerCase();
}
