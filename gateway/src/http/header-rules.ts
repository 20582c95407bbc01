import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { GatewayContext } from '../context.ts';

/** Which headers pass through the gateway. */
export interface HeaderRules {
  /** Lower-case names of request headers that subgraphs get. */
  request: readonly string[];
  /** Whether cookies that subgraphs set are passed on. */
  cookies: boolean;
  /** Whether the strictest `cache-control` of the subgraphs is passed on. */
  caching: boolean;
}

/** What one HTTP request passes on, in both directions. */
export interface PassedHeaders extends Pick<GatewayContext, 'headers' | 'onSubgraphHeaders'> {
  /** Sets the headers of the response that subgraphs have sent. */
  applyTo(reply: FastifyReply): void;
}

/** Creates the function that applies the rules to a request; null if nothing is passed on. */
export function createHeaderRules({
  request: names,
  cookies,
  caching,
}: HeaderRules): ((request: IncomingMessage) => PassedHeaders) | null {
  if (names.length === 0 && !cookies && !caching) return null;
  return ({ headers: sent }) => {
    const setCookies: string[] = [];
    let cacheControl: CacheControl | null = null;
    return {
      headers: names.flatMap((name) => {
        const value = sent[name];
        return value === undefined ? [] : [name, Array.isArray(value) ? value.join(', ') : value];
      }),
      ...((cookies || caching) && {
        onSubgraphHeaders(headers) {
          if (cookies) setCookies.push(...[headers['set-cookie'] ?? []].flat());
          if (caching) cacheControl = strictest(cacheControl, readCacheControl(headers['cache-control']));
        },
      }),
      applyTo(reply) {
        if (setCookies.length > 0) reply.header('set-cookie', setCookies);
        if (cacheControl) reply.header('cache-control', writeCacheControl(cacheControl));
      },
    };
  };
}

/** Zero seconds are not to be stored. */
interface CacheControl {
  maxAgeSeconds: number;
  isPrivate: boolean;
}

/** A response without the header must not be stored: other subgraphs know nothing of it. */
function readCacheControl(value: string | string[] | undefined): CacheControl {
  const directives = [value ?? []]
    .flat()
    .join()
    .toLowerCase()
    .split(',')
    .map((each) => each.trim());
  const maxAge = directives.map((each) => /^max-age=(\d+)$/.exec(each)?.[1]).find((each) => each !== undefined);
  const isStored = !directives.includes('no-store') && !directives.includes('no-cache');
  return { maxAgeSeconds: isStored ? Number(maxAge ?? 0) : 0, isPrivate: directives.includes('private') };
}

function strictest(first: CacheControl | null, second: CacheControl): CacheControl {
  return {
    maxAgeSeconds: Math.min(first?.maxAgeSeconds ?? Number.POSITIVE_INFINITY, second.maxAgeSeconds),
    isPrivate: Boolean(first?.isPrivate) || second.isPrivate,
  };
}

function writeCacheControl({ maxAgeSeconds, isPrivate }: CacheControl): string {
  return maxAgeSeconds === 0 ? 'no-store' : `max-age=${maxAgeSeconds}, ${isPrivate ? 'private' : 'public'}`;
}
