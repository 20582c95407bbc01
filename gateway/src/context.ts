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
  /** Aborts when the client has left, or waits for this operation no more. Of a live subscription it never aborts. */
  readonly signal: AbortSignal;
  /**
   * Called when the operation has to wait for its turn, where its connection can send more meanwhile; the result, when
   * it waits no longer.
   */
  readonly onWait?: () => () => void;
}

/**
 * A subscription's context once it is live: its events are executed for all who share it, so nobody's leaving may abort
 * them. A class, for there are as many as subscriptions: the signal is created when it is read.
 */
export class LiveContext implements GatewayContext {
  readonly identity: Identity | null;
  readonly refusal: CodedError | null;
  readonly authorization: string | null;
  readonly requestId: string;
  readonly clientAddress: string;

  constructor({ identity, refusal, authorization, requestId, clientAddress }: GatewayContext) {
    this.identity = identity;
    this.refusal = refusal;
    this.authorization = authorization;
    this.requestId = requestId;
    this.clientAddress = clientAddress;
  }

  get signal(): AbortSignal {
    return new AbortController().signal;
  }
}
