import type { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';

/** What is known of who asks, through all of an operation. */
export interface GatewayContext {
  /** Null when signed out, and when the token was refused. */
  identity: Identity | null;
  /** Why the token was refused, else null. Only an operation of `@public` fields goes on with it; others answer it. */
  refusal: CodedError | null;
  /** The authorization header's value, to forward to subgraphs; null when there was none, or the token was refused. */
  authorization: string | null;
  requestId: string;
  /** Where the client connects from, seen through the trusted proxies. */
  clientAddress: string;
  /** Aborts when the client is gone. */
  signal?: AbortSignal;
}
