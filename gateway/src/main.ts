import { readFileSync } from 'node:fs';
import { systemClock } from '@voucher-gateway/platform/clock';
import { readEnvironment } from '@voucher-gateway/platform/config';
import { openKeyValue, openTopics } from '@voucher-gateway/platform/distributed-engines';
import { runService } from '@voucher-gateway/platform/service-main';
import { supergraphSdl as ownSupergraphSdl } from '@voucher-gateway/schema/sdl';
import { gatewayProcessSettings, subgraphUrlSetting, subscriptionsUrlSetting } from './config.ts';
import { createGateway } from './server.ts';

// Which settings there are hangs on the supergraph: one URL a subgraph.
const { SUPERGRAPH_FILE } = readEnvironment();
const supergraphSdl = SUPERGRAPH_FILE ? readFileSync(SUPERGRAPH_FILE, 'utf8') : ownSupergraphSdl();
const subgraphs = [...supergraphSdl.matchAll(/@join__graph\(name: "([^"]+)"/g)].map(([, name = '']) => name);

await runService('gateway', gatewayProcessSettings(subgraphs), async (config, log, releases) => {
  const keyValue = releases.use(await openKeyValue(config, log));
  const topics = releases.use(await openTopics(config, { log }));
  const urls: Record<string, unknown> = config;
  const urlsBy = (settingOf: (name: string) => string) =>
    Object.fromEntries(
      subgraphs
        .map((name) => [name, urls[settingOf(name)]] as const)
        .filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  return createGateway({
    config,
    log,
    clock: systemClock,
    keyValue,
    topics,
    supergraphSdl,
    subgraphUrls: urlsBy(subgraphUrlSetting),
    subscriptionUrls: urlsBy(subscriptionsUrlSetting),
  });
});
