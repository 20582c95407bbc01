import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openKeyValue, openTopics } from '@voucher-gateway/platform/engines/distributed';
import { readConfig, readEnvironment } from '@voucher-gateway/platform/process/config';
import { runService } from '@voucher-gateway/platform/process/service';
import { gatewayProcessSettings, subgraphUrlSetting, subscriptionsUrlSetting } from './config.ts';
import { subgraphNames } from './federation/subgraph-names.ts';
import { watchSupergraph } from './federation/watch-supergraph.ts';
import { type LoadedSupergraph, loadSupergraph } from './load-supergraph.ts';
import { createGateway } from './server.ts';

/** A file is cheap to poll. */
const filePollMs = 1_000;

const settingsOf = (sdl: string, fault: string | null = null) => gatewayProcessSettings(subgraphNames(sdl), fault);
const urlsOf = (sdl: string, config: Record<string, unknown>) => {
  const urlsBy = (settingOf: (name: string) => string) =>
    Object.fromEntries(
      subgraphNames(sdl)
        .map((name) => [name, config[settingOf(name)]] as const)
        .filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  return { subgraphUrls: urlsBy(subgraphUrlSetting), subscriptionUrls: urlsBy(subscriptionsUrlSetting) };
};

// The settings depend on the supergraph: one URL per subgraph.
let supergraph: LoadedSupergraph;
const readSettings = async ({ SUPERGRAPH }: { SUPERGRAPH?: string }) => {
  supergraph = await loadSupergraph(SUPERGRAPH);
  return settingsOf(supergraph.sdl, supergraph.fault);
};
await runService('gateway', readSettings, async (config, log, releases) => {
  const { sdl: supergraphSdl, source } = supergraph;
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
  if (source)
    releases.use(
      watchSupergraph({
        source,
        served: supergraphSdl,
        log,
        intervalMs: source.isUrl ? config.SUPERGRAPH_POLL : filePollMs,
        reload: (sdl) => gateway.reload(sdl, urlsOf(sdl, readConfig(settingsOf(sdl), readEnvironment()))),
      }),
    );
  // Without a listener SIGHUP would end the process.
  else process.on('SIGHUP', () => log.warn({}, 'there is no SUPERGRAPH to reload'));
  return gateway;
});
