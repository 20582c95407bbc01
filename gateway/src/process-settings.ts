import { keyValueSettings, requireSaslCredentials, topicsSettings } from '@voucher-gateway/platform/engines/settings';
import { duration, httpUrl, optionalDuration, serviceSettings } from '@voucher-gateway/platform/process/config';
import { z } from 'zod';
import { gatewaySettings } from './config.ts';

/** The setting with the GraphQL URL of a subgraph, such as `SUBGRAPH_USER_URL`. */
export function subgraphUrlSetting(name: string): string {
  return `SUBGRAPH_${name.toUpperCase().replace(/\W/g, '_')}_URL`;
}

/** The setting with the URL for subscriptions at a subgraph, such as `SUBGRAPH_USER_SUBSCRIPTIONS_URL`. */
export function subscriptionsUrlSetting(name: string): string {
  return subgraphUrlSetting(name).replace(/_URL$/, '_SUBSCRIPTIONS_URL');
}

/** The setting with the time-out of a subgraph, such as `SUBGRAPH_USER_TIMEOUT`. */
export function subgraphTimeoutSetting(name: string): string {
  return subgraphUrlSetting(name).replace(/_URL$/, '_TIMEOUT');
}

export interface GatewayProcessOptions {
  /** Why the supergraph of the setting SUPERGRAPH can't be served; null if it can be served. Default: null. */
  fault?: string | null;
  /**
   * The URLs that the supergraph contains, by subgraph name. They are the default values of the subgraphs' URL
   * settings. Default: none.
   */
  urls?: Readonly<Record<string, string>>;
  /** Whether there are sessions, which need Redis and Kafka. Default: true. */
  hasSessions?: boolean;
}

/** Settings of a gateway that runs in its own process, including the URLs and the time-out of each subgraph. */
export function gatewayProcessSettings(
  subgraphs: readonly string[],
  { fault = null, urls = {}, hasSessions = true }: GatewayProcessOptions = {},
) {
  const supergraph = {
    SUPERGRAPH: z
      .string()
      .optional()
      .refine(() => fault === null, fault ?? '')
      .describe(
        "File or http(s) URL of the supergraph, which is read again after a change; by default this repository's supergraph",
      ),
    SUPERGRAPH_POLL: duration('10s', { max: '24h' }).describe(
      'Interval at which a supergraph is polled for changes, if SUPERGRAPH is a URL',
    ),
  };
  const settingsBy = (settingOf: (name: string) => string, schemaOf: (name: string) => z.ZodType) =>
    Object.fromEntries(subgraphs.map((name) => [settingOf(name), schemaOf(name)]));
  const ofSubgraphs = {
    ...settingsBy(subgraphUrlSetting, (name) => {
      const url = httpUrl();
      return (urls[name] === undefined ? url : url.default(urls[name])).describe(`GraphQL URL of the subgraph ${name}`);
    }),
    ...settingsBy(subscriptionsUrlSetting, (name) =>
      z
        .url({ protocol: /^(wss?|https?)$/ })
        .optional()
        .describe(
          `URL for subscriptions at the subgraph ${name}: ws: for graphql-ws, http: for Server-Sent Events; by default the subgraph's GraphQL URL, over graphql-ws`,
        ),
    ),
    ...settingsBy(subgraphTimeoutSetting, (name) =>
      optionalDuration({ max: '1h' }).describe(
        `Time-out of a call to the subgraph ${name}; by default SUBGRAPH_TIMEOUT`,
      ),
    ),
  };
  return z
    .object({
      ...gatewaySettings.shape,
      ...serviceSettings,
      ...topicsSettings,
      ...keyValueSettings,
      ...(hasSessions ? {} : withoutSessions),
      ...supergraph,
      ...ofSubgraphs,
    })
    .refine(...requireSaslCredentials)
    .refine(...refuseSharedHeaders);
}

/**
 * Refuses SHARE_READS together with settings that forward headers of subgraphs: such headers are for one client only.
 */
const refuseSharedHeaders: [(config: SharingConfig) => boolean, string] = [
  ({ SHARE_READS, FORWARD_COOKIES, FORWARD_CACHE_CONTROL }) =>
    !(SHARE_READS && (FORWARD_COOKIES || FORWARD_CACHE_CONTROL)),
  'SHARE_READS is not possible with FORWARD_COOKIES or FORWARD_CACHE_CONTROL',
];
type SharingConfig = Pick<
  z.output<typeof gatewaySettings>,
  'SHARE_READS' | 'FORWARD_COOKIES' | 'FORWARD_CACHE_CONTROL'
>;

/** Settings that are optional for a gateway without sessions. */
const withoutSessions = {
  REDIS_URL: keyValueSettings.REDIS_URL.optional(),
  KAFKA_BROKERS: topicsSettings.KAFKA_BROKERS.optional(),
  JWKS_URL: httpUrl().optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
};
