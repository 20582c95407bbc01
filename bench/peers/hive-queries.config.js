import { readFileSync } from 'node:fs';
import { defineConfig } from '@graphql-hive/gateway';

// Configures Hive Gateway for the queries of `npm run bench -- gateway`. By default, Hive Gateway sends equal
// concurrent requests to a subgraph only once. This is turned off, because 50 equal clients would then cause the load
// of one.
export const gatewayConfig = defineConfig({
  supergraph: readFileSync(process.env.SUPERGRAPH, 'utf8'),
  transportEntries: { '*.http': { options: { deduplicateInflightRequests: false } } },
  logging: false,
  landingPage: false,
  graphiql: false,
});
