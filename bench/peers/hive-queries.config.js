import { readFileSync } from 'node:fs';
import { defineConfig } from '@graphql-hive/gateway';

// Hive Gateway, started by its CLI, for the queries of `npm run bench -- gateway`. Its default of sending equal
// concurrent requests to subgraphs only once is turned off, because it would make 50 clients count as one.
export const gatewayConfig = defineConfig({
  supergraph: readFileSync(process.env.SUPERGRAPH, 'utf8'),
  transportEntries: { '*.http': { options: { deduplicateInflightRequests: false } } },
  logging: false,
  landingPage: false,
  graphiql: false,
});
