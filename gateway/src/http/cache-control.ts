import type { ReplyHeaders } from '../federation/exchange.ts';

/** How a response may be cached. */
export interface Caching {
  /** Zero seconds are not to be stored. */
  maxAgeSeconds: number;
  /** Who may store it; null if it is not said, so that a shared cache stores only what has no `authorization`. */
  scope: 'public' | 'private' | null;
  /** The request headers that it depends on. */
  vary: ReadonlySet<string>;
}

/** The longest age that caches have to understand (RFC 9111 section 1.2.2). */
const maxAgeSeconds = 2_147_483_648;

/** For a response that must not be stored. */
export const notAtAll: Caching = { maxAgeSeconds: 0, scope: null, vary: new Set() };
/** For a response that only its client may store. */
export const ownOnly: Caching = { maxAgeSeconds, scope: 'private', vary: new Set() };

/**
 * Reads how the response of a subgraph may be cached. One without `cache-control` must not be stored: other subgraphs know
 * nothing of it. Of several ages the shortest is taken.
 *
 * @param variesBy the client's headers that the subgraph got; it may not know others
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

/** Directives and their arguments, which may be quoted and have commas then (RFC 9111 section 5.2). */
function readDirectives(text: string): [name: string, argument: string][] {
  return [...text.matchAll(/([^\s,="]+)(?:="([^"]*)"|=([^\s,"]*))?/g)].map(([, name = '', quoted, plain]) => [
    name,
    quoted ?? plain ?? '',
  ]);
}

/** An age that is no number counts as none. */
function readAge(text: string): number {
  return /^\d+$/.test(text) ? Math.min(Number(text), maxAgeSeconds) : 0;
}

function textOf(value: string | string[] | undefined): string {
  return [value ?? []].flat().join().toLowerCase();
}
