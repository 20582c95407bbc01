import type { GraphQLDataSource } from '@apollo/gateway';
import type { Log } from '@voucher-gateway/platform/log';
import { createSubgraphDataSource, type SubgraphCallLimits } from './subgraph-data-source.ts';

/** The data sources of subgraphs, each shared by all supergraphs that have the subgraph at the same address. */
export interface SubgraphSources {
  /** The source of a subgraph at an address. Disposing releases it; the last to release it closes its connections. */
  lease(name: string, url: string): GraphQLDataSource & AsyncDisposable;
}

export function createSubgraphSources(options: { limits: SubgraphCallLimits; log: Log }): SubgraphSources {
  const open = new Map<string, { source: GraphQLDataSource & AsyncDisposable; leases: number }>();
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
  };
}
