import { keyValueSettings, requireSaslCredentials, topicsSettings } from '@voucher-gateway/platform/engines/settings';
import { trustedProxies } from '@voucher-gateway/platform/http/client-address';
import {
  commonSettings,
  duration,
  httpUrl,
  integer,
  integerOrOff,
  listItems,
  oneOf,
  optionalDuration,
  optionalFlag,
  port,
  serviceSettings,
} from '@voucher-gateway/platform/process/config';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { z } from 'zod';
import { allowedOrigins, anyOrigin } from './allowed-origins.ts';
import { forwardedHeaders } from './forwarded-headers.ts';

/** Settings of the gateway. */
export const gatewaySettings = z.object({
  ...commonSettings,
  PORT: port(8080).describe('Port to listen on'),
  JWKS_URL: httpUrl().describe("The user service's keys"),
  JWT_ISSUER: z.string().default(defaultIssuer).describe('`iss` of the tokens'),
  JWT_AUDIENCE: z.string().default(defaultAudience).describe('`aud` of the tokens'),
  WEBHOOKS_JWKS_URL: httpUrl()
    .optional()
    .describe(
      "URL of delivery's public keys, which the gateway serves at /.well-known/webhooks-jwks.json to the receivers of callbacks; by default it does not",
    ),
  SESSION_IDLE: duration('10m').describe('A session ends this long after its last request'),
  SUBGRAPH_TIMEOUT: duration('30s', { max: '1h' }).describe(
    'Time-out of a call to a subgraph, including its time in the queue',
  ),
  SUBGRAPH_CONNECTIONS: integer(128, { min: 1, max: 10_000 }).describe('Concurrent calls per subgraph; more wait'),
  SUBGRAPH_QUEUE_TIMEOUT: duration('5s', { max: '1h' }).describe(
    'Time-out of a call in the queue, of which a random part of up to half is subtracted; it then fails with SUBGRAPH_UNAVAILABLE. Shorter than the time-outs of clients',
  ),
  SUBGRAPH_QUEUE: integer(10_000, { min: 0, max: 1_000_000 }).describe(
    'Calls that may wait per subgraph; with more, those of the address with the most fail with SUBGRAPH_UNAVAILABLE',
  ),
  SUBGRAPH_QUEUE_BYTES: integer(67_108_864, { min: 0, max: 4_294_967_296 }).describe(
    'Bytes of the calls that may wait per subgraph; with more, those of the address with the most fail with SUBGRAPH_UNAVAILABLE',
  ),
  FORWARD_HEADERS: forwardedHeaders().describe(
    'Request headers that subgraphs get besides authorization, x-request-id and x-forwarded-for, comma-separated; over HTTP',
  ),
  FORWARD_COOKIES: optionalFlag().describe('Whether set-cookie of subgraphs is passed on; by default false'),
  FORWARD_CACHE_CONTROL: optionalFlag().describe(
    'Whether the strictest cache-control of the subgraphs is passed on; by default false. One without it is no-store',
  ),
  SHARE_READS: optionalFlag().describe(
    'Whether equal queries that are in flight are executed once: those with the same text, variables, authorization, client address and FORWARD_HEADERS; by default false. Not with FORWARD_COOKIES or FORWARD_CACHE_CONTROL',
  ),
  SUBGRAPH_RETRIES: integer(0, { min: 0, max: 10 }).describe(
    'Retries of a query that a subgraph did not answer, within its time-out and with backoff; mutations are never repeated',
  ),
  SUBGRAPH_BREAK_AFTER: integerOrOff(50, { min: 1, max: 1_000_000 }).describe(
    'Consecutive calls that a subgraph did not answer, after which calls fail at once and one per second is tried; or off',
  ),
  MAX_SUBGRAPH_ANSWER_BYTES: integer(8_388_608, { min: 1_024, max: 268_435_456 }).describe(
    'Largest response of a subgraph, in bytes',
  ),
  UPSTREAM_CONNECT_TIMEOUT: duration('10s', { max: '1h' }).describe(
    "Time-out of connecting to a subgraph's own subscription, until it is acknowledged",
  ),
  UPSTREAM_KEEP_ALIVE: duration('30s', { max: '1h' }).describe(
    "Interval of pings on a subgraph's own subscription; it reconnects when nothing arrives for twice as long",
  ),
  UPSTREAM_RETRY_BASE: duration('100ms', { max: '2s' }).describe(
    'Time before a lost subscription at a subgraph is opened again; it doubles with each failure, up to 2s, and a random part of up to half is subtracted',
  ),
  MAX_UPSTREAM_SUBSCRIPTIONS: integer(10_000, { min: 1, max: 1_000_000 }).describe(
    'Concurrent subscriptions per subgraph that it serves itself, shared ones counted once; more fail with SUBGRAPH_UNAVAILABLE',
  ),
  MAX_BODY_BYTES: integer(262_144, { min: 1_024, max: 16_777_216 }).describe('Largest request body, in bytes'),
  MAX_MESSAGE_BYTES: integer(65_536, { min: 1_024, max: 16_777_216 }).describe(
    'Largest WebSocket message from a client, in bytes',
  ),
  MAX_BUFFERED_BYTES: integer(262_144, { min: 16_384, max: 67_108_864 }).describe(
    'Bytes that are buffered for a slow consumer, before its connection is closed',
  ),
  MAX_TOTAL_BUFFERED_BYTES: integer(268_435_456, { min: 1_048_576, max: 68_719_476_736 }).describe(
    'Bytes that a process buffers for all clients; with more, the connections with the most are dropped',
  ),
  MAX_CONNECTIONS: integer(20_000, { min: 1, max: 1_000_000 }).describe(
    'Concurrent WebSockets and streams of a process; more are rejected, to retry later',
  ),
  MAX_CONNECTIONS_PER_ADDRESS: integerOrOff(2_000, { min: 1, max: 1_000_000 }).describe(
    'Concurrent WebSockets and streams per client address (IPv6: per /64); more are rejected; or off',
  ),
  MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: integerOrOff(200, { min: 1, max: 1_000_000 }).describe(
    'Of these, those of clients that have not signed in; or off',
  ),
  MAX_HTTP_CONNECTIONS_PER_ADDRESS: integerOrOff(2_000, { min: 1, max: 1_000_000 }).describe(
    'Concurrent HTTP connections per address (IPv6: per /64), trusted proxies excepted; more are reset; or off',
  ),
  MAX_SUBSCRIPTIONS_PER_CONNECTION: integer(100, { min: 1, max: 100_000 }).describe(
    'Concurrent operations per WebSocket; more are refused',
  ),
  MAX_SUBSCRIPTIONS_PER_USER: integer(200, { min: 1, max: 1_000_000 }).describe(
    'Concurrent subscriptions of a process per user, or per address without a sign-in; more are refused',
  ),
  TOPIC_WINDOW: integer(10_000, { min: 1, max: 1_000_000 }).describe(
    'Recent messages per topic in memory, for clients that resume; older ones are read from the topic',
  ),
  TRUSTED_PROXIES: trustedProxies().describe(
    'Addresses and CIDRs of the proxies in front, comma-separated; X-Forwarded-For is trusted from these only',
  ),
  TOPIC_WINDOW_BYTES: integer(67_108_864, { min: 1_024, max: 17_179_869_184 }).describe(
    'Memory of the recent messages per topic, in bytes',
  ),
  TOPIC_SCAN_BYTES: integer(67_108_864, { min: 1_024, max: 17_179_869_184 }).describe(
    'Memory of one scan of a topic for clients that resume from older messages, in bytes; more takes several scans',
  ),
  DRAIN_WINDOW: duration('10s', { max: '24h' }).describe('At shutdown, connections are closed spread over this time'),
  ALLOWED_ORIGINS: allowedOrigins().describe(
    'Origins of web pages that may call, such as https://shop.example, comma-separated, or * for any; by default localhost in development, none in production',
  ),
  PLAYGROUND: optionalFlag().describe('Whether the playground is served; by default only in development'),
  PAGE: optionalFlag().describe(
    'Whether the page to request vouchers is served at /; by default only in development. Another supergraph has none',
  ),
  QUERY_PLANS: optionalFlag().describe(
    'Whether a request with the header x-query-plan gets its query plan, with the time of each fetch; by default only in development',
  ),
  CALLBACK_RECEIVER: optionalFlag().describe(
    "Whether the page's callback receiver is served at /receivers/; by default only in development",
  ),
  OPERATION_LIMITS: oneOf(['enforce', 'measure'], 'enforce').describe(
    'Whether operations over the limits below are refused, or only logged, to find limits that fit',
  ),
  MAX_DEPTH: integer(20, { min: 1, max: 100 }).describe('Fields within fields of an operation; introspection aside'),
  MAX_ALIASES: integer(100, { min: 0, max: 100_000 }).describe('Aliases of an operation'),
  MAX_ROOT_FIELDS: integer(20, { min: 1, max: 10_000 }).describe('Fields at the root of an operation'),
  MAX_TOKENS: integer(5_000, { min: 100, max: 100_000 }).describe(
    'Tokens of a document; selections of an operation, with its fragments expanded, too',
  ),
  MAX_DIRECTIVES: integer(100, { min: 0, max: 100_000 }).describe('Directives of an operation'),
  MAX_COST: integer(10_000, { min: 1, max: 1_000_000_000 }).describe(
    'Cost of an operation: about as many objects as it may return, weighted by @cost and @listSize',
  ),
  LARGE_OPERATIONS_SHARE: integer(10, { min: 1, max: 100 }).describe(
    "Percent of the event loop's time for new documents and for operations of more than 500 selections; more wait",
  ),
  MAX_RESPONSE_BYTES: integer(16_777_216, { min: 1_024, max: 268_435_456 }).describe('Largest response, in bytes'),
  SCOPE_CLAIM: z
    .string()
    .min(1)
    .default('scope')
    .describe('Claim with the scopes for @requiresScopes: a text with spaces between them, or a list'),
  POLICY_CLAIM: z
    .string()
    .min(1)
    .optional()
    .describe('Claim with the policies for @policy that are fulfilled; without it, none ever is'),
  UNAUTHORIZED_FIELDS: oneOf(['remove', 'reject'], 'remove').describe(
    'Whether fields that the client may not see are removed from an operation, or the operation is refused',
  ),
  OVERRIDE_LABELS: z
    .string()
    .default('')
    .transform(listItems)
    .describe(
      'Labels of @override(label:) that are on, comma-separated; percentages such as percent(5) are decided per request',
    ),
  INTROSPECTION: optionalFlag().describe('Whether clients may introspect the schema; by default only in development'),
});

/** The setting with the GraphQL URL of a subgraph, such as `SUBGRAPH_USER_URL`. */
export function subgraphUrlSetting(name: string): string {
  return `SUBGRAPH_${name.toUpperCase().replace(/\W/g, '_')}_URL`;
}

/** The setting with the URL of a subgraph's own subscriptions, such as `SUBGRAPH_USER_SUBSCRIPTIONS_URL`. */
export function subscriptionsUrlSetting(name: string): string {
  return subgraphUrlSetting(name).replace(/_URL$/, '_SUBSCRIPTIONS_URL');
}

/** The setting with the time-out of a subgraph, such as `SUBGRAPH_USER_TIMEOUT`. */
export function subgraphTimeoutSetting(name: string): string {
  return subgraphUrlSetting(name).replace(/_URL$/, '_TIMEOUT');
}

export interface GatewayProcessOptions {
  /** Why the supergraph of the setting SUPERGRAPH can't be served; null if it can. Default: null. */
  fault?: string | null;
  /** URLs of subgraphs that the supergraph contains, by name. Default: none. */
  urls?: Readonly<Record<string, string>>;
  /** Whether there are sessions, which need Redis and Kafka. Default: true. */
  hasSessions?: boolean;
}

/** Settings of a gateway that runs in its own process, with the URLs of these subgraphs. */
export function gatewayProcessSettings(
  subgraphs: readonly string[],
  { fault = null, urls = {}, hasSessions = true }: GatewayProcessOptions = {},
) {
  const supergraph = {
    SUPERGRAPH: z
      .string()
      .optional()
      .refine(() => fault === null, fault ?? '')
      .describe("File or http(s) URL of the supergraph, read again when it changes; by default this repository's own"),
    SUPERGRAPH_POLL: duration('10s', { max: '24h' }).describe(
      'Interval at which a SUPERGRAPH that is a URL is polled for changes',
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
          `URL of the subscriptions that the subgraph ${name} serves itself: ws: for graphql-ws, http: for Server-Sent Events; by default its URL, over graphql-ws`,
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

/** Refuses SHARE_READS together with headers of subgraphs, which are meant for one client only. */
const refuseSharedHeaders: [(config: SharingConfig) => boolean, string] = [
  ({ SHARE_READS, FORWARD_COOKIES, FORWARD_CACHE_CONTROL }) =>
    !(SHARE_READS && (FORWARD_COOKIES || FORWARD_CACHE_CONTROL)),
  'SHARE_READS is not possible with FORWARD_COOKIES or FORWARD_CACHE_CONTROL',
];
type SharingConfig = Pick<
  z.output<typeof gatewaySettings>,
  'SHARE_READS' | 'FORWARD_COOKIES' | 'FORWARD_CACHE_CONTROL'
>;

/** Settings that are optional for a gateway without sessions, which only serves a supergraph. */
const withoutSessions = {
  REDIS_URL: keyValueSettings.REDIS_URL.optional(),
  KAFKA_BROKERS: topicsSettings.KAFKA_BROKERS.optional(),
  JWKS_URL: httpUrl().optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
};

type IdentitySetting = 'JWKS_URL' | 'JWT_ISSUER' | 'JWT_AUDIENCE';

/** The gateway's configuration. Without sessions, the settings for tokens are optional. */
export type GatewayConfig = Readonly<
  Omit<z.output<typeof gatewaySettings>, IdentitySetting> & Partial<Record<IdentitySetting, string | undefined>>
>;

/** Returns the value of a flag that is on by default, except in production. */
export function isOn(flag: boolean | undefined, { NODE_ENV }: Pick<GatewayConfig, 'NODE_ENV'>): boolean {
  return flag ?? NODE_ENV !== 'production';
}

/**
 * Creates the function that returns whether a web page of an origin may call. Without an origin, which only browsers
 * send, it returns true.
 */
export function originPolicy({
  ALLOWED_ORIGINS,
  NODE_ENV,
}: Pick<GatewayConfig, 'ALLOWED_ORIGINS' | 'NODE_ENV'>): (origin: string | undefined, host?: string) => boolean {
  const allowed = new Set(ALLOWED_ORIGINS);
  return (origin, host) => {
    if (origin === undefined || allowed.has(origin) || allowed.has(anyOrigin)) return true;
    if (!URL.canParse(origin)) return false;
    const url = new URL(origin);
    // The page comes from this gateway, such as the playground.
    if (host !== undefined && url.host === host) return true;
    return (
      ALLOWED_ORIGINS === undefined &&
      NODE_ENV !== 'production' &&
      /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
    );
  };
}
