import { LRUCache } from 'lru-cache';
import Negotiator from 'negotiator';

/** Media types of a result in Apollo Server's spelling, in order of preference. */
const answerTypes = ['application/json; charset=utf-8', 'application/graphql-response+json; charset=utf-8'];
/** Apollo Server negotiates this type too. Requests that select this type are passed to Apollo Server. */
const callbackType = 'application/json; callbackSpec=1.0; charset=utf-8';

/**
 * Maximum length of an Accept header that this code negotiates. A long header takes much time to negotiate. Real
 * clients send short headers.
 */
export const maxAcceptLength = 500;

/**
 * Creates a function that returns the media type of the result for an Accept header. The function returns null if
 * Apollo Server would choose a type that is not in `answerTypes`. Media types are cached by header, because clients
 * send few different headers.
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
