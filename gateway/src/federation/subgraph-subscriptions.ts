import type { Log } from '@voucher-gateway/platform/process/log';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { SubgraphError } from '../execution/subgraph/subgraph-response.ts';
import { inSlices } from '../scheduling/in-slices.ts';
import { SharedUpstream, type UpstreamListener } from './shared-upstream.ts';
import { createEventStreams, type UpstreamLimits } from './subgraph-connection.ts';
import { subgraphUnavailable } from './subgraph-unavailable.ts';

/** A subscription at a subgraph. */
export interface UpstreamRequest {
  subgraph: string;
  query: string;
  variables: Record<string, unknown>;
  /** The subscriber's identity key. Subscribers with the same key and request share one upstream subscription. */
  identityKey: string;
}

/** Subscriptions that subgraphs serve themselves, for fields without `@topic`. */
export interface Upstreams extends AsyncDisposable {
  /** Number of subscriptions at subgraphs. */
  readonly count: number;
  /**
   * Subscribes at a subgraph. Listeners with equal requests share one subscription at the subgraph. Disposing the
   * result unsubscribes the listener. The shared subscription ends when no listener is left.
   *
   * If the connection is lost, the shared subscription reconnects with the token of a current listener. After `retries`
   * consecutive failures the listeners fail with CodedError SUBGRAPH_UNAVAILABLE (retryable).
   *
   * @throws CodedError SUBGRAPH_UNAVAILABLE if the subgraph serves no subscriptions, or has reached `maxPerSubgraph`
   */
  subscribe(request: UpstreamRequest, listener: UpstreamListener): Disposable;
  /** Reconnects the subscriptions whose subgraph has moved to another URL. */
  reconnectMoved(): Promise<void>;
}

export interface UpstreamsOptions extends UpstreamLimits {
  /** Returns the URL at which a subgraph serves subscriptions: `ws:` means graphql-ws, `http:` Server-Sent Events. */
  urlOf(subgraph: string): string | undefined;
  log: Log;
  /** Limit of concurrent subscriptions per subgraph. */
  maxPerSubgraph: number;
  /** Number of consecutive failures after which a subscription ends. Default: 5. */
  retries?: number;
  /** Delay in milliseconds after the first failure. It doubles with each further failure, up to 2 s. */
  retryBaseMs: number;
}

export function createUpstreams(options: UpstreamsOptions): Upstreams {
  const { urlOf, log, maxPerSubgraph, retries = 5, retryBaseMs, ...limits } = options;
  const streams = createEventStreams(limits);
  const all = new Map<string, SharedUpstream>();
  const counts = new Map<string, number>();

  const open = (key: string, { subgraph, query, variables }: UpstreamRequest): SharedUpstream => {
    const count = counts.get(subgraph) ?? 0;
    const url = () => urlOf(subgraph);
    if (url() === undefined) throw subgraphUnavailable(`The subgraph ${subgraph} has no subscriptions.`);
    if (count >= maxPerSubgraph)
      throw subgraphUnavailable(`The subgraph ${subgraph} has as many subscriptions as it may.`);
    const onEnd = () => {
      all.delete(key);
      counts.set(subgraph, (counts.get(subgraph) ?? 1) - 1);
    };
    const shared = new SharedUpstream({
      ...limits,
      subgraph,
      query,
      variables,
      streams,
      url,
      log,
      retries,
      retryBaseMs,
      onEnd,
    });
    all.set(key, shared);
    counts.set(subgraph, count + 1);
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
      const shared = known ?? open(key, request);
      shared.add(listener);
      if (!known) shared.connect();
      return { [Symbol.dispose]: () => shared.remove(listener) };
    },
    reconnectMoved: () => inSlices([...all.values()], (shared) => shared.reconnectIfMoved()),
    async [Symbol.asyncDispose]() {
      for (const shared of [...all.values()]) shared.stop();
      await streams[Symbol.asyncDispose]();
    },
  };
}

/** Converts a subgraph's error. An error without a code gets DOWNSTREAM_SERVICE_ERROR, as in Apollo's gateway. */
export function asDownstreamError({ message, path, extensions }: SubgraphError | GraphQLFormattedError): GraphQLError {
  return new GraphQLError(message ?? 'A subgraph failed.', {
    ...(path && { path }),
    extensions: { code: 'DOWNSTREAM_SERVICE_ERROR', ...extensions },
  });
}
