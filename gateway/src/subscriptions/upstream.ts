import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { SubgraphError, SubgraphResponse } from '../subgraph-response.ts';
import { inSlices } from './in-slices.ts';
import { connectSocket, createEventStreams, type UpstreamLimits } from './upstream-connection.ts';

/** A subscription at a subgraph. */
export interface UpstreamRequest {
  subgraph: string;
  query: string;
  variables: Record<string, unknown>;
  /** Equal for all whom the subgraph answers alike. */
  identityKey: string;
}

/** A subscriber's own token: the subgraph decides by it who may listen. */
export interface UpstreamToken {
  /** The authorization header's value; null for one who is signed out. */
  authorization: string | null;
  expiresAtMs: number;
}

/** The subgraphs' own subscriptions: those whose field no topic feeds. */
export interface Upstreams extends AsyncDisposable {
  /** Subscriptions held at subgraphs right now. */
  readonly count: number;
  /**
   * Passes on what the subgraph answers. Equal requests share one subscription there, which ends when the last of them
   * is disposed. A connection that is lost or silent is replaced, with the token of a listener that is still there;
   * after `retries` failures in a row the subscription fails with CodedError SUBGRAPH_UNAVAILABLE (retryable).
   *
   * @throws CodedError SUBGRAPH_UNAVAILABLE where the subgraph has no subscriptions, or has as many as it may
   */
  subscribe(request: UpstreamRequest, listener: UpstreamListener): Disposable;
  /** Connects those again whose subgraph has another address by now. */
  reconnectMoved(): Promise<void>;
}

/** Who takes what a subgraph answers. */
export interface UpstreamListener {
  /** The token to subscribe with now: one that is good for long. */
  token(): UpstreamToken;
  next(response: SubgraphResponse): void;
  /** The end, because the subgraph has no more. */
  complete(): void;
  fail(error: CodedError): void;
}

export interface UpstreamsOptions extends UpstreamLimits {
  /** Where a subgraph serves subscriptions: `ws:` by graphql-ws, `http:` by Server-Sent Events. */
  urlOf(subgraph: string): string | undefined;
  log: Log;
  /** Subscriptions at once at each subgraph. */
  maxPerSubgraph: number;
  /** Failures in a row, until a lost upstream is given up. Default: 5. */
  retries?: number;
  /** Waiting time after the first of them, in milliseconds; doubled with each, 2 s at most. Default: 100. */
  retryBaseMs?: number;
}

const longestWaitMs = 2_000;

/** A subscription at a subgraph, with all who share it. */
interface Shared {
  listeners: Set<UpstreamListener>;
  stop(): void;
  reconnectIfMoved(): void;
}

export function createUpstreams(options: UpstreamsOptions): Upstreams {
  const { urlOf, log, maxPerSubgraph, retries = 5, retryBaseMs = 100, ...limits } = options;
  const streams = createEventStreams(limits);
  const all = new Map<string, Shared>();
  const counts = new Map<string, number>();

  const open = (key: string, request: UpstreamRequest, first: UpstreamListener): Shared => {
    const { subgraph, query, variables } = request;
    const count = counts.get(subgraph) ?? 0;
    if (urlOf(subgraph) === undefined) throw unavailable(`The subgraph ${subgraph} has no subscriptions.`);
    if (count >= maxPerSubgraph) throw unavailable(`The subgraph ${subgraph} has as many subscriptions as it may.`);
    const listeners = new Set([first]);
    let connection: Disposable | null = null;
    let waiting: NodeJS.Timeout | undefined;
    let failures = 0;
    let connectedTo: string | undefined;

    const stop = () => {
      if (all.get(key) !== shared) return;
      all.delete(key);
      counts.set(subgraph, (counts.get(subgraph) ?? 1) - 1);
      clearTimeout(waiting);
      connection?.[Symbol.dispose]();
    };
    const end = (report: (listener: UpstreamListener) => void) => {
      stop();
      for (const listener of [...listeners]) report(listener);
    };
    const connect = () => {
      const startedAt = performance.now();
      const lose = (error: unknown) => {
        connection = null;
        // One that lasted was no failure, though nothing came over it.
        if (performance.now() - startedAt > limits.keepAliveMs) failures = 0;
        if (failures >= retries) {
          log.warn({ subgraph, error }, 'a subscription at a subgraph is given up');
          return end((listener) => listener.fail(unavailable(`The subgraph ${subgraph} does not answer.`)));
        }
        log.info({ subgraph, error, failures }, 'a subscription at a subgraph is lost; it is connected again');
        const longestMs = Math.min(retryBaseMs * 2 ** failures, longestWaitMs);
        failures += 1;
        waiting = setTimeout(connect, longestMs * (0.5 + Math.random() / 2));
      };
      try {
        const url = urlOf(subgraph);
        connectedTo = url;
        if (url === undefined) throw new Error('it has no subscriptions any more');
        const { authorization } = bestToken(listeners);
        const by = /^wss?:/.test(url) ? connectSocket : streams.connect;
        connection = by(
          { ...limits, url, query, variables, authorization },
          {
            next(response) {
              failures = 0;
              for (const listener of [...listeners]) listener.next(response);
            },
            complete: () => end((listener) => listener.complete()),
            // The subgraph's own no, for all who asked the same.
            refuse: (errors) =>
              end((listener) => {
                listener.next({ errors });
                listener.complete();
              }),
            lose,
          },
        );
      } catch (error) {
        lose(error);
      }
    };

    const reconnectIfMoved = () => {
      if (urlOf(subgraph) === connectedTo || all.get(key) !== shared) return;
      clearTimeout(waiting);
      connection?.[Symbol.dispose]();
      connection = null;
      failures = 0;
      connect();
    };
    const shared: Shared = { listeners, stop, reconnectIfMoved };
    all.set(key, shared);
    counts.set(subgraph, count + 1);
    connect();
    return shared;
  };

  return {
    get count() {
      return all.size;
    },
    subscribe(request, listener) {
      const { subgraph, query, variables, identityKey } = request;
      const key = JSON.stringify([subgraph, query, variables, identityKey]);
      const known = all.get(key);
      known?.listeners.add(listener);
      const { listeners, stop } = known ?? open(key, request, listener);
      return {
        [Symbol.dispose]() {
          if (listeners.delete(listener) && listeners.size === 0) stop();
        },
      };
    },
    reconnectMoved: () => inSlices([...all.values()], ({ reconnectIfMoved }) => reconnectIfMoved()),
    async [Symbol.asyncDispose]() {
      for (const { stop } of [...all.values()]) stop();
      await streams[Symbol.asyncDispose]();
    },
  };
}

/** Of those who listen the token that is good the longest. */
function bestToken(listeners: ReadonlySet<UpstreamListener>): UpstreamToken {
  let best: UpstreamToken = { authorization: null, expiresAtMs: Number.NEGATIVE_INFINITY };
  for (const listener of listeners) {
    const token = listener.token();
    if (token.expiresAtMs > best.expiresAtMs) best = token;
  }
  return best;
}

function unavailable(message: string): CodedError {
  return new CodedError<PublicErrorCode>('SUBGRAPH_UNAVAILABLE', message, { retryable: true });
}

/** A subgraph's error as the gateway's executor passes those of a query on. */
export function asDownstreamError({ message, path, extensions }: SubgraphError | GraphQLFormattedError): GraphQLError {
  return new GraphQLError(message ?? 'A subgraph failed.', {
    ...(path && { path }),
    extensions: { code: 'DOWNSTREAM_SERVICE_ERROR', ...extensions },
  });
}
