/** The token of a subscriber, by which the subgraph authorises the subscription. */
export interface UpstreamToken {
  /** The value of the authorization header; null for an anonymous client. */
  authorization: string | null;
  /** When the token expires; 0 for an anonymous client. */
  expiresAtMs: number;
}

/**
 * Finds the token that expires last. If several tokens expire at the same time, it returns the last of these. Without
 * tokens it returns the token of an anonymous client.
 */
export function findLastToExpire(tokens: Iterable<UpstreamToken>): UpstreamToken {
  let last: UpstreamToken = { authorization: null, expiresAtMs: 0 };
  for (const token of tokens) if (token.expiresAtMs >= last.expiresAtMs) last = token;
  return last;
}
