import type { Identity } from '@voucher-gateway/platform/identity';

/** What is known of who asks, through all of an operation. */
export interface GatewayContext {
  /** Null when signed out. */
  identity: Identity | null;
  /** The authorization header's value as it came, to forward to subgraphs; null when there was none. */
  authorization: string | null;
  requestId: string;
  /** Where the client connects from, seen through the trusted proxies. */
  clientAddress: string;
  /** Aborts when the client is gone. */
  signal?: AbortSignal;
}
