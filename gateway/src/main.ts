import { readFileSync } from 'node:fs';
import { systemClock } from '@voucher-gateway/platform/clock';
import { readConfig, readEnvironment } from '@voucher-gateway/platform/config';
import { openKeyValue, openTopics } from '@voucher-gateway/platform/distributed-engines';
import { runService } from '@voucher-gateway/platform/service-main';
import { supergraphSdl as ownSupergraphSdl } from '@voucher-gateway/schema/sdl';
import { gatewayProcessSettings, subgraphUrlSetting, subscriptionsUrlSetting } from './config.ts';
import { createGateway } from './server.ts';
import { subgraphNames } from './subgraph-names.ts';
import { watchSupergraph } from './watch-supergraph.ts';

// The settings depend on the supergraph: one URL per subgraph.
const { SUPERGRAPH_FILE } = readEnvironment();
const readSupergraph = () => (SUPERGRAPH_FILE ? readFileSync(SUPERGRAPH_FILE, 'utf8') : ownSupergraphSdl());
const settingsOf = (sdl: string) => gatewayProcessSettings(subgraphNames(sdl));
const urlsOf = (sdl: string, config: Record<string, unknown>) => {
  const urlsBy = (settingOf: (name: string) => string) =>
    Object.fromEntries(
      subgraphNames(sdl)
        .map((name) => [name, config[settingOf(name)]] as const)
        .filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  return { subgraphUrls: urlsBy(subgraphUrlSetting), subscriptionUrls: urlsBy(subscriptionsUrlSetting) };
};

const supergraphSdl = readSupergraph();
await runService('gateway', settingsOf(supergraphSdl), async (config, log, releases) => {
  const keyValue = releases.use(await openKeyValue(config, log));
  const topics = releases.use(await openTopics(config, { log }));
  const gateway = await createGateway({
    config,
    log,
    clock: systemClock,
    keyValue,
    topics,
    supergraphSdl,
    ...urlsOf(supergraphSdl, config),
  });
  if (SUPERGRAPH_FILE)
    releases.use(
      watchSupergraph({
        file: SUPERGRAPH_FILE,
        served: supergraphSdl,
        log,
        reload: (sdl) => gateway.reload(sdl, urlsOf(sdl, readConfig(settingsOf(sdl), readEnvironment()))),
      }),
    );
  // Not the end of the process, which is what a signal does that nobody listens to.
  else process.on('SIGHUP', () => log.warn({}, 'there is no SUPERGRAPH_FILE to read again'));
  return gateway;
});
