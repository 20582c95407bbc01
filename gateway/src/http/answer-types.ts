import { LRUCache } from 'lru-cache';
import Negotiator from 'negotiator';

/** Media types of a result, as Apollo Server names them, the preferred one first. */
const answerTypes = ['application/json; charset=utf-8', 'application/graphql-response+json; charset=utf-8'];
/** A type that Apollo Server negotiates as well. */
const callbackType = 'application/json; callbackSpec=1.0; charset=utf-8';

/** Real headers are shorter, and the cost of negotiation grows with the length. */
export const maxAcceptLength = 500;

/**
 * Creates the function that returns the media type of a result for an Accept header; null if Apollo Server would send none
 * of these. Clients send few different headers, so each is negotiated once.
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
