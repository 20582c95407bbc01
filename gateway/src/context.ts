import type { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { Trace } from './trace.ts';

/** The client of an operation. */
export interface GatewayContext {
  /** Null for an anonymous request, or if the token was refused. */
  identity: Identity | null;
  /** Why the token was refused, else null. Operations of `@public` fields are executed anyway; others fail with it. */
  refusal: CodedError | null;
  /** The authorization header, to forward to subgraphs; null if there was none, or the token was refused. */
  authorization: string | null;
  requestId: string;
  /** The client's address, as seen through trusted proxies. */
  clientAddress: string;
  /** Headers of the client that are forwarded to subgraphs besides, names and values in turn. Default: none. */
  readonly headers?: readonly string[] | undefined;
  /** Called with the headers of each subgraph's response. */
  readonly onSubgraphHeaders?: ((headers: Readonly<Record<string, string | string[] | undefined>>) => void) | undefined;
  /** Called if the response depends on the client, or must not be cached, whatever subgraphs say. */
  readonly restrictCaching?: ((to: 'private' | 'no-store') => void) | undefined;
  /** Aborts when the client has disconnected, or has completed the operation. Never aborts for a live subscription. */
  readonly signal: AbortSignal;
  /**
   * Called when the operation has to wait for its turn; the function that it returns is called when the wait is over. It
   * pauses reading from a WebSocket, whose client could send further operations during the wait.
   */
  readonly onWait?: () => () => void;
  /** The place of a large request among its requester's. Disposed when the operation is executed. */
  readonly place?: Disposable | undefined;
  /** Records the requests to subgraphs, if a client in development asked for it. */
  readonly trace?: Trace | undefined;
}

/**
 * The context of a live subscription. Its events are executed for all members of a fan-out, so no single client may abort
 * them. A class, because there is one per subscription: the signal is created only when it is read.
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
