import { readFileSync } from 'node:fs';
import { defineConfig } from '@graphql-hive/gateway';

// Configures Hive Gateway for the queries of `npm run bench -- gateway`. By default, Hive Gateway sends equal
// concurrent requests to a subgraph only once. The benchmark turns this off. Otherwise 50 equal clients would cause
// only the load of one client.
export const gatewayConfig = defineConfig({
  supergraph: readFileSync(process.env.SUPERGRAPH, 'utf8'),
  transportEntries: { '*.http': { options: { deduplicateInflightRequests: false } } },
  logging: false,
  landingPage: false,
  graphiql: false,
});
