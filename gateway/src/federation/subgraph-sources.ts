import type { GraphQLDataSource } from '@apollo/gateway';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createSubgraphDataSource, type SubgraphCallLimits, type SubgraphDataSource } from './subgraph-client.ts';

/** The data sources of subgraphs. Supergraphs with the same subgraph at the same URL share one. */
export interface SubgraphSources {
  /** Leases the data source of a subgraph at a URL. Releasing the last lease closes its connections. */
  lease(name: string, url: string): GraphQLDataSource & AsyncDisposable;
  /** Fails the calls to all subgraphs, at shutdown, so that nothing waits for their responses. */
  abort(): Promise<void>;
}

export function createSubgraphSources(options: { limits: SubgraphCallLimits; log: Log }): SubgraphSources {
  const open = new Map<string, { source: SubgraphDataSource; leases: number }>();
  return {
    lease(name, url) {
      const key = JSON.stringify([name, url]);
      const shared = open.get(key) ?? { source: createSubgraphDataSource({ name, url, ...options }), leases: 0 };
      open.set(key, shared);
      shared.leases += 1;
      let isReleased = false;
      return {
        process: (request) => shared.source.process(request),
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
