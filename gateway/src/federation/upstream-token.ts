/** The token of a subscriber, by which the subgraph authorises the subscription. */
export interface UpstreamToken {
  /** The value of the authorization header; null for an anonymous client. */
  authorization: string | null;
  /** When the token expires; 0 for an anonymous client. */
  expiresAtMs: number;
}

/**
 * Finds the token that expires last. Of several that expire at the same time, it returns the last. Without tokens it
 * returns an anonymous one.
 */
export function findLastToExpire(tokens: Iterable<UpstreamToken>): UpstreamToken {
  let last: UpstreamToken = { authorization: null, expiresAtMs: 0 };
  for (const token of tokens) if (token.expiresAtMs >= last.expiresAtMs) last = token;
  return last;
}
