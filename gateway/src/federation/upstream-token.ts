/** A subscriber's own token, by which the subgraph authorises the subscription. */
export interface UpstreamToken {
  /** The value of the authorization header; null for an anonymous client. */
  authorization: string | null;
  /** 0 for an anonymous client. */
  expiresAtMs: number;
}

/** The token that expires last, of several the last one; an anonymous one if there is none. */
export function findLastToExpire(tokens: Iterable<UpstreamToken>): UpstreamToken {
  let last: UpstreamToken = { authorization: null, expiresAtMs: 0 };
  for (const token of tokens) if (token.expiresAtMs >= last.expiresAtMs) last = token;
  return last;
}
