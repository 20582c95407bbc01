import { systemClock } from '@voucher-gateway/platform/async/clock';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { describe, expect, it } from 'vitest';
import { subgraphNames, subgraphUrls } from '../federation/subgraph-names.ts';
import { gatewayProcessSettings } from '../process-settings.ts';
import { createGateway } from '../server.ts';
import { scenarios } from '../testing/supergraph-suite/scenarios.ts';
import { startScenario } from '../testing/supergraph-suite/start-scenario.ts';

/** The same suite can test other gateways: see bench/federation-audit/README.md. */
describe('supergraphs of our own', () => {
  it.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    await using running = await startScenario(scenario);
    const { supergraphSdl, jwksUrl } = running;
    const urls = subgraphUrls(supergraphSdl);
    const settings = gatewayProcessSettings(subgraphNames(supergraphSdl), { urls, hasSessions: false });
    await using gateway = await createGateway({
      config: readConfig(settings, {
        PORT: '0',
        HOST: '127.0.0.1',
        DRAIN_WINDOW: '1ms',
        JWKS_URL: jwksUrl,
        ...scenario.environment,
      }),
      supergraphSdl,
      subgraphUrls: urls,
      log: silentLog,
      clock: systemClock,
      topics: null,
      keyValue: null,
    });
    const checks = scenario.requests.map((request) => running.check(`${gateway.url}/graphql`, request));
    expect((await Promise.all(checks)).filter((fault) => fault !== null)).toEqual([]);
  });
});
