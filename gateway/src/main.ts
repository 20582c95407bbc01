import { readFileSync } from 'node:fs';
import { systemClock } from '@voucher-gateway/platform/clock';
import { readEnvironment } from '@voucher-gateway/platform/config';
import { openKeyValue, openTopics } from '@voucher-gateway/platform/distributed-engines';
import { runService } from '@voucher-gateway/platform/service-main';
import { supergraphSdl as ownSupergraphSdl } from '@voucher-gateway/schema/sdl';
import { gatewayProcessSettings, subgraphUrlSetting } from './config.ts';
import { createGateway } from './server.ts';

// Which settings there are hangs on the supergraph: one URL a subgraph.
const { SUPERGRAPH_FILE } = readEnvironment();
const supergraphSdl = SUPERGRAPH_FILE ? readFileSync(SUPERGRAPH_FILE, 'utf8') : ownSupergraphSdl();
const subgraphs = [...supergraphSdl.matchAll(/@join__graph\(name: "([^"]+)"/g)].map(([, name = '']) => name);

await runService('gateway', gatewayProcessSettings(subgraphs), async (config, log, releases) => {
  const keyValue = releases.use(await openKeyValue(config, log));
  const topics = releases.use(await openTopics(config, { log }));
  const urls: Record<string, unknown> = config;
  return createGateway({
    config,
    log,
    clock: systemClock,
    keyValue,
    topics,
    supergraphSdl,
    subgraphUrls: Object.fromEntries(subgraphs.map((name) => [name, String(urls[subgraphUrlSetting(name)])])),
  });
});
