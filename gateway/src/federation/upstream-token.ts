/** The token of a subscriber, by which the subgraph authorises the subscription. */
export interface UpstreamToken {
  /** The value of the authorization header; null for an anonymous client. */
  authorization: string | null;
  /** 0 for an anonymous client. */
  expiresAtMs: number;
}

/** Finds the token that expires last; among equal ones the last in order. Anonymous if there are no tokens. */
export function findLastToExpire(tokens: Iterable<UpstreamToken>): UpstreamToken {
  let last: UpstreamToken = { authorization: null, expiresAtMs: 0 };
  for (const token of tokens) if (token.expiresAtMs >= last.expiresAtMs) last = token;
  return last;
}
