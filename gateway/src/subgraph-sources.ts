import type { GraphQLDataSource } from '@apollo/gateway';
import type { Log } from '@voucher-gateway/platform/log';
import { createSubgraphDataSource, type SubgraphCallLimits, type SubgraphDataSource } from './subgraph-data-source.ts';

/** The data sources of subgraphs, each shared by all supergraphs that have the subgraph at the same address. */
export interface SubgraphSources {
  /** The source of a subgraph at an address. Disposing releases it; the last to release it closes its connections. */
  lease(name: string, url: string): GraphQLDataSource & AsyncDisposable;
  /** Fails the calls of all of them, at the end of the process: what waits for them goes on. */
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
