import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type ExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import WebSocket from 'ws';

/** A subscription at a subgraph. */
export interface UpstreamRequest {
  subgraph: string;
  query: string;
  variables: Record<string, unknown>;
  /** The subscriber's own: the subgraph decides by it who may listen. */
  authorization: string | null;
}

/** The subgraphs' own subscriptions: those whose field no topic feeds. */
export interface Upstreams extends AsyncDisposable {
  /** Subscriptions held at subgraphs right now. */
  readonly count: number;
  /**
   * The answers of the subgraph. Equal requests share one subscription there, which ends when the last of them
   * returns. A connection that is lost is made anew, and the subscription with it; after `retries` failures in a
   * row it fails with CodedError SUBGRAPH_UNAVAILABLE (retryable).
   */
  subscribe(request: UpstreamRequest, listener: UpstreamListener): Disposable;
}

/** Who takes what a subgraph answers. */
export interface UpstreamListener {
  next(result: ExecutionResult): void;
  /** The end, because the subgraph has no more. */
  complete(): void;
  fail(error: CodedError): void;
}

export interface UpstreamsOptions {
  /** Where a subgraph serves subscriptions: `ws:` by graphql-ws, `http:` by Server-Sent Events. */
  urlOf(subgraph: string): string | undefined;
  log: Log;
  /** Failures in a row, until a lost upstream is given up. Default: 5. */
  retries?: number;
  /** Waiting time after the first of them, in milliseconds; doubled with each, 2 s at most. Default: 100. */
  retryBaseMs?: number;
}

interface Shared {
  listeners: Set<UpstreamListener>;
  stop(): void;
}

interface Sink {
  next(result: ExecutionResult): void;
  error(error: unknown): void;
  complete(): void;
}

export function createUpstreams({ urlOf, log, retries = 5, retryBaseMs = 100 }: UpstreamsOptions): Upstreams {
  const all = new Map<string, Shared>();
  const retryWait = (attempt: number) =>
    new Promise<void>((resolve) => setTimeout(resolve, Math.min(retryBaseMs * 2 ** attempt, 2_000)));

  const connect = ({ subgraph, query, variables, authorization }: UpstreamRequest, sink: Sink): (() => void) => {
    const url = urlOf(subgraph);
    if (url === undefined)
      throw new CodedError<PublicErrorCode>('SUBGRAPH_UNAVAILABLE', `The subgraph ${subgraph} has no subscriptions.`);
    const given: Record<string, string> = authorization === null ? {} : { authorization };
    const client = /^wss?:/.test(url)
      ? createSocketClient({
          url,
          retryAttempts: retries,
          retryWait,
          webSocketImpl: WebSocket,
          connectionParams: given,
          shouldRetry: () => true,
          onNonLazyError: () => {},
        })
      : createSseClient({ url, retryAttempts: retries, retry: retryWait, headers: given });
    const leave = client.subscribe({ query, variables }, sink as never);
    return () => {
      leave();
      // It rejects when a connection that is still being made fails.
      Promise.resolve(client.dispose()).catch(() => {});
    };
  };

  const open = (key: string, request: UpstreamRequest): Shared => {
    const listeners: Shared['listeners'] = new Set();
    const shared: Shared = { listeners, stop: () => {} };
    const end = (tell: (listener: UpstreamListener) => void) => {
      if (all.get(key) === shared) all.delete(key);
      for (const listener of [...listeners]) tell(listener);
    };
    shared.stop = connect(request, {
      next: (result) => {
        for (const listener of [...listeners]) listener.next(result);
      },
      complete: () => end((listener) => listener.complete()),
      error: (error) => {
        if (isRefusal(error)) {
          // The subgraph's own no, for all who asked the same.
          return end((listener) => {
            listener.next({ errors: error.map(asDownstreamError) });
            listener.complete();
          });
        }
        const { subgraph } = request;
        log.warn({ subgraph, error }, 'a subscription at a subgraph is given up');
        const failure = new CodedError<PublicErrorCode>(
          'SUBGRAPH_UNAVAILABLE',
          `The subgraph ${subgraph} does not answer.`,
          { retryable: true },
        );
        end((listener) => listener.fail(failure));
      },
    });
    return shared;
  };

  return {
    get count() {
      return all.size;
    },
    subscribe(request, listener) {
      const key = JSON.stringify([request.subgraph, request.query, request.variables, request.authorization]);
      const shared = all.get(key) ?? open(key, request);
      all.set(key, shared);
      shared.listeners.add(listener);
      return {
        [Symbol.dispose]() {
          if (!shared.listeners.delete(listener) || shared.listeners.size > 0) return;
          if (all.get(key) === shared) all.delete(key);
          shared.stop();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const { stop } of all.values()) stop();
      all.clear();
    },
  };
}

/** GraphQL errors, in the subgraph's answer to the subscription itself. */
function isRefusal(error: unknown): error is readonly GraphQLFormattedError[] {
  return Array.isArray(error);
}

/** A subgraph's error as the gateway's executor passes those of a query on. */
export function asDownstreamError({ message, path, extensions }: GraphQLFormattedError): GraphQLError {
  return new GraphQLError(message, {
    ...(path && { path }),
    extensions: { code: 'DOWNSTREAM_SERVICE_ERROR', ...extensions },
  });
}
