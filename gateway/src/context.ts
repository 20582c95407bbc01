import type { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { Trace } from './trace.ts';

/** The context of an operation: its client and its request. */
export interface GatewayContext {
  /** Null for an anonymous request, or if the token was refused. */
  identity: Identity | null;
  /**
   * The error if the client's token was refused, else null. With a refused token, an operation is executed if all of
   * its root fields are `@public`. Any other operation fails with this error.
   */
  refusal: CodedError | null;
  /**
   * The authorization header, which is also sent to subgraphs. Null if the client sent none, or if the token was
   * refused.
   */
  authorization: string | null;
  requestId: string;
  /** The client's address. Behind a trusted proxy, it is read from X-Forwarded-For. */
  clientAddress: string;
  /** Other headers of the client that subgraphs get, as alternating names and values. Default: none. */
  readonly headers?: readonly string[] | undefined;
  /** Called with the headers of each subgraph's response. */
  readonly onSubgraphHeaders?: ((headers: Readonly<Record<string, string | string[] | undefined>>) => void) | undefined;
  /**
   * Called with `private` if the response depends on the client, and with `no-store` if it must not be cached. This
   * restriction overrides the caching headers of subgraphs.
   */
  readonly restrictCaching?: ((to: 'private' | 'no-store') => void) | undefined;
  /** Aborts when the client has disconnected, or has completed the operation. Never aborts for a live subscription. */
  readonly signal: AbortSignal;
  /**
   * Called when the operation has to wait in a queue (`WaitQueue`). The returned function is called after the wait.
   * During the wait a WebSocket is not read, so that its client can't send further operations.
   */
  readonly onWait?: () => () => void;
  /**
   * Set for a request with a large body: its permit of the semaphore `LargeRequests`. The permit is released when the
   * execution starts.
   */
  readonly place?: Disposable | undefined;
  /** Records the requests to subgraphs. Set only if the client requested the query plan (setting QUERY_PLANS). */
  readonly trace?: Trace | undefined;
}

/**
 * The context of a live subscription. Its signal never aborts: each event is executed once for all subscribers of a
 * fan-out, so a single client must not abort the execution. The signal is created only when it is read, to save memory
 * per subscription.
 */
export class LiveContext implements GatewayContext {
  readonly identity: Identity | null;
  readonly refusal: CodedError | null;
  readonly authorization: string | null;
  readonly requestId: string;
  readonly clientAddress: string;
  readonly headers: readonly string[] | undefined;

  constructor({ identity, refusal, authorization, requestId, clientAddress, headers }: GatewayContext) {
    this.identity = identity;
    this.refusal = refusal;
    this.authorization = authorization;
    this.requestId = requestId;
    this.clientAddress = clientAddress;
    this.headers = headers;
  }

  get signal(): AbortSignal {
    return new AbortController().signal;
  }
}
