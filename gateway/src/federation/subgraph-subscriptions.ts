import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { inSlices } from '../scheduling/in-slices.ts';
import { connectSocket, createEventStreams, type UpstreamLimits } from './subgraph-connection.ts';
import type { SubgraphError, SubgraphResponse } from './subgraph-response.ts';

/** A subscription at a subgraph. */
export interface UpstreamRequest {
  subgraph: string;
  query: string;
  variables: Record<string, unknown>;
  /** Equal for all subscribers to whom the subgraph responds the same. */
  identityKey: string;
}

/** A subscriber's own token, by which the subgraph authorises the subscription. */
export interface UpstreamToken {
  /** The value of the authorization header; null if signed out. */
  authorization: string | null;
  expiresAtMs: number;
}

/** Subscriptions that subgraphs serve themselves, for fields without a topic. */
export interface Upstreams extends AsyncDisposable {
  /** Number of subscriptions at subgraphs. */
  readonly count: number;
  /**
   * Subscribes at a subgraph. Equal requests share one subscription there, until the last of them is disposed. It
   * reconnects when the connection is lost, with the token of a current listener. After `retries` failures in a row the
   * listeners fail with CodedError SUBGRAPH_UNAVAILABLE (retryable).
   *
   * @throws CodedError SUBGRAPH_UNAVAILABLE if the subgraph serves no subscriptions, or its limit is reached
   */
  subscribe(request: UpstreamRequest, listener: UpstreamListener): Disposable;
  /** Reconnects the subscriptions whose subgraph has moved to another URL. */
  reconnectMoved(): Promise<void>;
}

/** The receiver of a subgraph's events. */
export interface UpstreamListener {
  /** The token to subscribe with: the one that expires last. */
  token(): UpstreamToken;
  next(response: SubgraphResponse): void;
  /** Called when the subgraph completes the subscription. */
  complete(): void;
  fail(error: CodedError): void;
}

export interface UpstreamsOptions extends UpstreamLimits {
  /** Where a subgraph serves subscriptions: `ws:` by graphql-ws, `http:` by Server-Sent Events. */
  urlOf(subgraph: string): string | undefined;
  log: Log;
  /** Concurrent subscriptions per subgraph. */
  maxPerSubgraph: number;
  /** Failures in a row before a subscription is given up. Default: 5. */
  retries?: number;
  /** Delay in milliseconds after the first failure; doubled with each, up to 2 s. Default: 100. */
  retryBaseMs?: number;
}

const longestWaitMs = 2_000;

/** A subscription at a subgraph, with all its listeners. */
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
        // A connection that lasted is not a failure, even without events.
        if (performance.now() - startedAt > limits.keepAliveMs) failures = 0;
        if (failures >= retries) {
          log.warn({ subgraph, error }, 'a subscription at a subgraph is given up');
          return end((listener) => listener.fail(unavailable(`The subgraph ${subgraph} does not answer.`)));
        }
        log.info({ subgraph, error, failures }, 'a subscription at a subgraph is lost; reconnecting');
        const longestMs = Math.min(retryBaseMs * 2 ** failures, longestWaitMs);
        failures += 1;
        waiting = setTimeout(connect, longestMs * (0.5 + Math.random() / 2));
      };
      try {
        const url = urlOf(subgraph);
        connectedTo = url;
        if (url === undefined) throw new Error('it serves no subscriptions any more');
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

/** The listeners' token that expires last. */
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

/** Converts a subgraph's error as Apollo's executor does for a query. */
export function asDownstreamError({ message, path, extensions }: SubgraphError | GraphQLFormattedError): GraphQLError {
  return new GraphQLError(message ?? 'A subgraph failed.', {
    ...(path && { path }),
    extensions: { code: 'DOWNSTREAM_SERVICE_ERROR', ...extensions },
  });
}
