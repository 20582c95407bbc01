import { systemClock } from '@voucher-gateway/platform/async/clock';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { runService } from '@voucher-gateway/platform/process/service';
import type { Topics } from '@voucher-gateway/platform/topics';
import { gatewayProcessSettings, subgraphUrlSetting } from '../config.ts';
import { subgraphNames } from '../federation/subgraph-names.ts';
import { loadSupergraph } from '../load-supergraph.ts';
import { createGateway } from '../server.ts';

// The gateway of any supergraph in a process without engines: no client can sign in, and there are no topics. For benchmarks
// against gateways that have neither.

const { sdl, fault } = await loadSupergraph(process.env.SUPERGRAPH);
const names = subgraphNames(sdl);
const unavailable = async (): Promise<never> => {
  throw new Error('there are no sessions and no topics here');
};
const keyValue: KeyValue = {
  get: async () => null,
  set: unavailable,
  touch: async () => null,
  peek: async () => null,
  increment: unavailable,
  delete: async () => false,
  ping: async () => 'ok',
  [Symbol.asyncDispose]: async () => {},
};
const topics: Topics = {
  publish: unavailable,
  publishAll: unavailable,
  consume: unavailable,
  tail: async () => ({
    startedAt: {},
    coversAfter: {},
    caughtUp: async () => ({}),
    [Symbol.asyncDispose]: async () => {},
  }),
  failures: () => [],
  ping: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

await runService('gateway', gatewayProcessSettings(names, { fault }), async (config, log) =>
  createGateway({
    config,
    log,
    clock: systemClock,
    keyValue,
    topics,
    supergraphSdl: sdl,
    subgraphUrls: Object.fromEntries(
      names.map((name) => [name, String((config as Record<string, unknown>)[subgraphUrlSetting(name)])]),
    ),
  }),
);
