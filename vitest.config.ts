import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/test-order.ts';

/** On PostgreSQL, Redis and Kafka: the adapters of the ports, and what depends on locks of rows. */
const onRealEngines = [
  'platform/src/topics/kafka/**/*.test.ts',
  '{platform/src/**,subgraphs/*/src}/{postgres,redis}{,-*}.test.ts',
];
/** On the same engines: every service as a process, from a production install. */
const ofInstalled = ['e2e/src/distributed/**/*.test.ts'];
/** In Chromium. */
const inBrowser = ['e2e/src/page/**/*.test.ts'];

const embeddedSetup = 'platform/src/testing/global-setup.ts';
const enginesSetup = 'standalone/src/testing/engines-setup.ts';
const installSetup = 'e2e/src/distributed/install-setup.ts';

// Shared by all processes that tests start: most of a start is compilation.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache');

export default defineConfig({
  resolve: {
    // One realm of graphql: the gateway's CommonJS and our ESM would else load a copy each.
    alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }],
  },
  test: {
    env: { APOLLO_TELEMETRY_DISABLED: '1', NODE_ENV: 'test' },
    pool: 'forks',
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // Long enough for a machine that does a lot besides.
    testTimeout: 180_000,
    expect: { poll: { timeout: 90_000, interval: 50 } },
    hookTimeout: 180_000,
    teardownTimeout: 10_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'embedded',
          include: ['**/*.test.ts'],
          exclude: ['**/node_modules/**', 'gateway/playground/dist/**', ...onRealEngines, ...ofInstalled, ...inBrowser],
          globalSetup: [embeddedSetup],
          // Files of one process share what it has imported: that takes longer than most files. A file that changes
          // what belongs to the process undoes it.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'engines',
          include: onRealEngines,
          globalSetup: [embeddedSetup, enginesSetup],
        },
      },
      {
        extends: true,
        test: {
          name: 'distributed',
          include: ofInstalled,
          globalSetup: [enginesSetup, installSetup],
          setupFiles: ['e2e/src/distributed/service-logs.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'page', include: inBrowser, globalSetup: [embeddedSetup] },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['*/src/**/*.ts', 'subgraphs/*/src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/testing/**'],
      reporter: ['text-summary', 'html'],
      // One to two points below the figures of November 2026: timing changes what is covered.
      thresholds: { statements: 66, branches: 66, functions: 66, lines: 68 },
    },
  },
});
