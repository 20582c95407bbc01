import type { SubgraphCall } from '@voucher-gateway/platform/graphql/subgraph-call';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Subgraph } from '../execution/subgraph/subgraph.ts';
import { createSubgraphClient, type SubgraphCallLimits, type SubgraphClient } from './subgraph-client.ts';
import { createHttpTransport, createLocalTransport } from './subgraph-transport.ts';

/** The clients of all subgraphs. After a reload, a subgraph with an unchanged URL and time-out keeps its client. */
export interface SubgraphSources {
  /**
   * Leases the client of a subgraph at a URL. When the last lease is released, the client's connections are closed.
   *
   * @param timeoutMs time-out of a call. Default: `timeoutMs` of the limits for all subgraphs
   */
  lease(name: string, url: string, timeoutMs?: number): Subgraph & AsyncDisposable;
  /** Fails the calls to all subgraphs, so that shutdown does not wait for their responses. */
  abort(): Promise<void>;
}

export interface SubgraphSourcesOptions {
  limits: SubgraphCallLimits;
  log: Log;
  /** The functions that call subgraphs in this process, by URL. Default: none. */
  localCalls?: ReadonlyMap<string, SubgraphCall>;
}

export function createSubgraphSources({ log, localCalls, ...options }: SubgraphSourcesOptions): SubgraphSources {
  const open = new Map<string, { source: SubgraphClient; leases: number }>();
  const connect = (name: string, url: string, timeoutMs: number) => {
    const limits = { ...options.limits, timeoutMs };
    const call = localCalls?.get(url);
    const transport = call ? createLocalTransport(call, limits) : createHttpTransport(url, limits);
    return createSubgraphClient({ name, transport, limits, log });
  };
  return {
    lease(name, url, timeoutMs = options.limits.timeoutMs) {
      const key = JSON.stringify([name, url, timeoutMs]);
      const shared = open.get(key) ?? { source: connect(name, url, timeoutMs), leases: 0 };
      open.set(key, shared);
      shared.leases += 1;
      let isReleased = false;
      return {
        send: (request, context) => shared.source.send(request, context),
        async [Symbol.asyncDispose]() {
          if (isReleased) return;
          isReleased = true;
          shared.leases -= 1;
          if (shared.leases > 0) return;
          open.delete(key);
          await shared.source[Symbol.asyncDispose]();
        },
      };
    },
    async abort() {
      await Promise.all([...open.values()].map(({ source }) => source.abort()));
    },
  };
}
