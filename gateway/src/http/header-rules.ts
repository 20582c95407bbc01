import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { GatewayContext } from '../context.ts';
import { type Caching, notAtAll, ownOnly, readCaching, strictest, writeCacheControl } from './cache-control.ts';

/** Which headers pass through the gateway. */
export interface HeaderRules {
  /** Lower-case names of request headers that subgraphs get. */
  request: readonly string[];
  /** Whether cookies of subgraphs are passed on to clients. */
  cookies: boolean;
  /** Whether the strictest `cache-control` of the called subgraphs is passed on to clients. */
  caching: boolean;
}

/**
 * The headers that the gateway forwards for one HTTP request: request headers to subgraphs, and response headers to the
 * client.
 */
export interface PassedHeaders extends Pick<GatewayContext, 'headers' | 'onSubgraphHeaders' | 'restrictCaching'> {
  /** Adds the headers of the subgraphs' responses to the client's response. */
  applyTo(reply: FastifyReply): void;
}

/** Creates the function that applies the rules to a request. Returns null if the rules forward no headers. */
export function createHeaderRules({
  request: names,
  cookies,
  caching,
}: HeaderRules): ((request: IncomingMessage) => PassedHeaders) | null {
  if (names.length === 0 && !cookies && !caching) return null;
  /** Request headers that subgraphs get from the client. The subgraphs' responses may depend on these headers. */
  const variesBy = new Set([...names, 'authorization']);
  return ({ headers: sent }) => {
    const setCookies: string[] = [];
    let ofSubgraphs: Caching | null = null;
    const restrictions: Caching[] = [];
    return {
      headers: names.flatMap((name) => {
        const value = sent[name];
        return value === undefined ? [] : [name, Array.isArray(value) ? value.join(', ') : value];
      }),
      ...((cookies || caching) && {
        onSubgraphHeaders(headers) {
          if (cookies) setCookies.push(...[headers['set-cookie'] ?? []].flat());
          if (!caching) return;
          const next = readCaching(headers, variesBy);
          ofSubgraphs = ofSubgraphs ? strictest(ofSubgraphs, next) : next;
        },
      }),
      ...(caching && { restrictCaching: (to) => void restrictions.push(to === 'private' ? ownOnly : notAtAll) }),
      applyTo(reply) {
        if (setCookies.length > 0) reply.header('set-cookie', setCookies);
        if (!ofSubgraphs) return;
        const { vary, ...cached } = restrictions.reduce(strictest, ofSubgraphs);
        reply.header('cache-control', writeCacheControl(cached));
        if (vary.size > 0) reply.header('vary', [reply.getHeader('vary') ?? [], ...vary].flat().join(', '));
      },
    };
  };
}
