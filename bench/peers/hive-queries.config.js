import { readFileSync } from 'node:fs';
import { defineConfig } from '@graphql-hive/gateway';

// Hive Gateway, started by its CLI, for the queries of `npm run bench -- gateway`. By default it sends equal concurrent
// requests to subgraphs only once, which would turn 50 clients into one.
export const gatewayConfig = defineConfig({
  supergraph: readFileSync(process.env.SUPERGRAPH, 'utf8'),
  transportEntries: { '*.http': { options: { deduplicateInflightRequests: false } } },
  logging: false,
  landingPage: false,
  graphiql: false,
});
