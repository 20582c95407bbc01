import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/test-order.ts';

/**
 * Tests that need PostgreSQL, Redis or Kafka. They test the adapters for these engines, and code that depends on row
 * locks.
 */
const onRealEngines = [
  'platform/src/topics/kafka/**/*.test.ts',
  '{platform/src/**,subgraphs/*/src}/{postgres,redis}{,-*}.test.ts',
];
/** Tests on PostgreSQL, Redis and Kafka, with every service as a process of a production install. */
const ofInstalled = ['e2e/src/distributed/**/*.test.ts'];
/** Tests of the page, in Chromium. */
const inBrowser = ['e2e/src/page/**/*.test.ts'];

const embeddedSetup = 'platform/src/testing/global-setup.ts';
const enginesSetup = 'standalone/src/testing/engines-setup.ts';
const installSetup = 'e2e/src/distributed/install-setup.ts';

// All processes that tests start share this cache of compiled code, because most of a start is compilation.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/compiled-tests', import.meta.url));

/**
 * Tests wait for more than half of their time. So two cores are enough to run four test files at the same time. Each
 * worker takes up to 1.5 GB.
 */
const maxWorkers = Math.min(4, Math.ceil(totalmem() / 2e9));

export default defineConfig({
  resolve: {
    // All imports get the same copy of graphql. Otherwise CommonJS modules and ESM modules would load different copies.
    // An object of one copy fails the `instanceof` checks of the other copy.
    alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }],
  },
  test: {
    env: { APOLLO_TELEMETRY_DISABLED: '1', NODE_ENV: 'test' },
    pool: 'forks',
    maxWorkers,
    sequence: { sequencer: LongestFirst },
    // The time-out is long enough for a machine that is busy with other work.
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
          // Test files in one process share imported modules, because importing takes longer than the tests of most
          // files. A test file that changes global state restores it afterwards.
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
      // The thresholds are one to two points below the coverage that was measured in November 2026, because coverage
      // varies with timing.
      thresholds: { statements: 66, branches: 66, functions: 66, lines: 68 },
    },
  },
});
