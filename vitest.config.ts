import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // One realm of graphql: the gateway's CommonJS and our ESM would else load a copy each.
    alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }],
  },
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'gateway/playground/dist/**'],
    globalSetup: ['platform/src/testing/global-setup.ts', 'standalone/src/testing/engines-setup.ts'],
    env: { APOLLO_TELEMETRY_DISABLED: '1', NODE_ENV: 'test' },
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 60_000,
    expect: { poll: { timeout: 30_000, interval: 20 } },
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    coverage: {
      provider: 'v8',
      include: ['*/src/**/*.ts', 'subgraphs/*/src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/testing/**'],
      reporter: ['text-summary', 'html'],
    },
  },
});
