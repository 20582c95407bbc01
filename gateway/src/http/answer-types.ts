import { LRUCache } from 'lru-cache';
import Negotiator from 'negotiator';

/** Media types of a result in Apollo Server's spelling, in order of preference. */
const answerTypes = ['application/json; charset=utf-8', 'application/graphql-response+json; charset=utf-8'];
/** Another media type that Apollo Server negotiates. Requests that select this type are left to Apollo Server. */
const callbackType = 'application/json; callbackSpec=1.0; charset=utf-8';

/**
 * Longer Accept headers are not negotiated here, because negotiation takes more time for longer headers. Real clients
 * send shorter ones.
 */
export const maxAcceptLength = 500;

/**
 * Creates the function that returns the media type of a result for an Accept header; null if Apollo Server would choose
 * a type that is not in `answerTypes`. Results are cached, because clients send few different headers.
 */
export function createAnswerTypes(): (accept: string | undefined) => string | null {
  const known = new LRUCache<string, { type: string | null }>({ max: 200 });
  return (accept) => {
    if (!accept) return answerTypes[0] as string;
    if (accept.length > maxAcceptLength) return null;
    const cached = known.get(accept);
    if (cached) return cached.type;
    const type = new Negotiator({ headers: { accept } }).mediaType([...answerTypes, callbackType]);
    const fresh = { type: type !== undefined && answerTypes.includes(type) ? type : null };
    known.set(accept, fresh);
    return fresh.type;
  };
}
