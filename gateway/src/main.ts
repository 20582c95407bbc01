import { systemClock } from '@voucher-gateway/platform/async/clock';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { type Environment, readConfig, readEnvironment } from '@voucher-gateway/platform/process/config';
import { runService } from '@voucher-gateway/platform/process/service';
import type { Topics } from '@voucher-gateway/platform/topics';
import { subgraphNames, subgraphUrls } from './federation/subgraph-names.ts';
import { watchSupergraph } from './federation/watch-supergraph.ts';
import { type LoadedSupergraph, loadSupergraph } from './load-supergraph.ts';
import {
  gatewayProcessSettings,
  subgraphTimeoutSetting,
  subgraphUrlSetting,
  subscriptionsUrlSetting,
} from './process-settings.ts';
import { createGateway } from './server.ts';

/** Interval at which a supergraph file is polled. It is short, because polling a file takes little time. */
const filePollMs = 1_000;

/**
 * Creates the schema of the settings. This repository's own supergraph requires REDIS_URL and KAFKA_BROKERS. With
 * another supergraph (setting SUPERGRAPH), REDIS_URL is optional. Without REDIS_URL the gateway has no sessions, and
 * KAFKA_BROKERS is optional too.
 */
const settingsOf = (sdl: string, { SUPERGRAPH, REDIS_URL }: Environment, fault: string | null = null) => {
  const isOwn = !SUPERGRAPH?.trim();
  return gatewayProcessSettings(subgraphNames(sdl), {
    fault,
    urls: isOwn ? {} : subgraphUrls(sdl),
    hasSessions: isOwn || Boolean(REDIS_URL),
  });
};
const urlsOf = (sdl: string, config: Record<string, unknown>) => {
  const valuesBy = <Value>(settingOf: (name: string) => string) =>
    Object.fromEntries(
      subgraphNames(sdl)
        .map((name) => [name, config[settingOf(name)]] as const)
        .filter((entry): entry is [string, Value] => entry[1] !== undefined),
    );
  return {
    subgraphUrls: valuesBy<string>(subgraphUrlSetting),
    subscriptionUrls: valuesBy<string>(subscriptionsUrlSetting),
    subgraphTimeouts: valuesBy<number>(subgraphTimeoutSetting),
  };
};

// The supergraph is loaded before the settings are parsed. Each subgraph in it has settings of its own, such as its
// URL.
let supergraph: LoadedSupergraph;
const readSettings = async (environment: Environment) => {
  supergraph = await loadSupergraph(environment.SUPERGRAPH);
  return settingsOf(supergraph.sdl, environment, supergraph.fault);
};
await runService('gateway', readSettings, async (config, log, releases) => {
  const { sdl: supergraphSdl, source } = supergraph;
  const { REDIS_URL, KAFKA_BROKERS } = config;
  let keyValue: KeyValue | null = null;
  let topics: Topics | null = null;
  if (REDIS_URL || KAFKA_BROKERS) {
    // The modules for Redis and Kafka take memory, so they are loaded only if they are used.
    const { openKeyValue, openTopics } = await import('@voucher-gateway/platform/engines/kafka-and-redis');
    if (REDIS_URL) keyValue = releases.use(await openKeyValue({ ...config, REDIS_URL }, log));
    if (KAFKA_BROKERS) topics = releases.use(await openTopics({ ...config, KAFKA_BROKERS }, { log }));
  }
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
        reload: (sdl) => {
          const environment = readEnvironment();
          return gateway.reload(sdl, urlsOf(sdl, readConfig(settingsOf(sdl, environment), environment)));
        },
      }),
    );
  // Without a listener, SIGHUP would end the process.
  else process.on('SIGHUP', () => log.warn({}, 'there is no SUPERGRAPH to reload'));
  return gateway;
});
