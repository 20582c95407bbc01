import { trustedProxies } from '@voucher-gateway/platform/client-address';
import {
  commonSettings,
  duration,
  httpUrl,
  integer,
  integerOrOff,
  oneOf,
  optionalFlag,
  port,
  serviceSettings,
} from '@voucher-gateway/platform/config';
import { keyValueSettings, saslIsWhole, topicsSettings } from '@voucher-gateway/platform/engine-settings';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { z } from 'zod';
import { allowedOrigins, anyOrigin } from './allowed-origins.ts';

/** Settings of the gateway. */
export const gatewaySettings = z.object({
  ...commonSettings,
  PORT: port(8080).describe('Port to listen on'),
  JWKS_URL: httpUrl().describe("The user service's keys"),
  JWT_ISSUER: z.string().default(defaultIssuer).describe('`iss` of the tokens'),
  JWT_AUDIENCE: z.string().default(defaultAudience).describe('`aud` of the tokens'),
  SESSION_IDLE: duration('10m').describe('A session ends this long after its last request'),
  SUBGRAPH_TIMEOUT: duration('30s', { max: '1h' }).describe(
    'A call to a subgraph ends within this time, waiting for its turn included',
  ),
  SUBGRAPH_CONNECTIONS: integer(128, { min: 1, max: 10_000 }).describe('Calls at once to each subgraph; more wait'),
  SUBGRAPH_QUEUE: integer(10_000, { min: 0, max: 1_000_000 }).describe(
    'Calls that may wait for each subgraph; of more, those of the address with most are answered SUBGRAPH_UNAVAILABLE',
  ),
  SUBGRAPH_QUEUE_BYTES: integer(67_108_864, { min: 0, max: 4_294_967_296 }).describe(
    'Bytes of the calls that may wait for each subgraph; of more, those of the address with most are answered SUBGRAPH_UNAVAILABLE',
  ),
  MAX_SUBGRAPH_ANSWER_BYTES: integer(8_388_608, { min: 1_024, max: 268_435_456 }).describe(
    'Largest answer of a subgraph, in bytes',
  ),
  UPSTREAM_CONNECT_TIMEOUT: duration('10s', { max: '1h' }).describe(
    'A subgraph acknowledges a connection for one of its own subscriptions within this time',
  ),
  UPSTREAM_KEEP_ALIVE: duration('30s', { max: '1h' }).describe(
    "A subgraph's own subscription is pinged this often, and connected again when it is silent for as long after that",
  ),
  MAX_UPSTREAM_SUBSCRIPTIONS: integer(10_000, { min: 1, max: 1_000_000 }).describe(
    'Subscriptions of its own at once at each subgraph, shared ones counted once; more end with SUBGRAPH_UNAVAILABLE',
  ),
  MAX_BODY_BYTES: integer(262_144, { min: 1_024, max: 16_777_216 }).describe('Largest request body, in bytes'),
  MAX_MESSAGE_BYTES: integer(65_536, { min: 1_024, max: 16_777_216 }).describe(
    'Largest WebSocket message from a client, in bytes',
  ),
  MAX_BUFFERED_BYTES: integer(262_144, { min: 16_384, max: 67_108_864 }).describe(
    'Bytes that may wait for a client that reads slowly, until its connection is closed',
  ),
  MAX_TOTAL_BUFFERED_BYTES: integer(268_435_456, { min: 1_048_576, max: 68_719_476_736 }).describe(
    'Bytes that may wait in a process for all clients to read them; past it the slowest are dropped',
  ),
  MAX_CONNECTIONS: integer(20_000, { min: 1, max: 1_000_000 }).describe(
    'WebSockets and streams at once in a process; more are rejected, to retry later',
  ),
  MAX_CONNECTIONS_PER_ADDRESS: integerOrOff(2_000, { min: 1, max: 1_000_000 }).describe(
    'WebSockets and streams at once of a client address (IPv6: of a /64); more are rejected; or off',
  ),
  MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: integerOrOff(200, { min: 1, max: 1_000_000 }).describe(
    'Of these, those of clients that have not signed in; or off',
  ),
  MAX_HTTP_CONNECTIONS_PER_ADDRESS: integerOrOff(2_000, { min: 1, max: 1_000_000 }).describe(
    'HTTP connections at once of an address (IPv6: of a /64) that is no trusted proxy; more are reset; or off',
  ),
  MAX_SUBSCRIPTIONS_PER_CONNECTION: integer(100, { min: 1, max: 100_000 }).describe(
    'Operations at once on a WebSocket; more are refused',
  ),
  MAX_SUBSCRIPTIONS_PER_USER: integer(200, { min: 1, max: 1_000_000 }).describe(
    'Subscriptions at once of a user in a process, of an address of those who have not signed in; more are refused',
  ),
  TOPIC_WINDOW: integer(10_000, { min: 1, max: 1_000_000 }).describe(
    'Messages of a topic held in memory for those who come again; what is older is read from the topic once more',
  ),
  TRUSTED_PROXIES: trustedProxies().describe(
    'Addresses and CIDRs of the proxies in front, with commas between them: what they say in X-Forwarded-For is believed, and nobody else',
  ),
  TOPIC_WINDOW_BYTES: integer(67_108_864, { min: 1_024, max: 17_179_869_184 }).describe(
    'Memory that those messages of a topic may take, in bytes',
  ),
  TOPIC_SCAN_BYTES: integer(67_108_864, { min: 1_024, max: 17_179_869_184 }).describe(
    'Memory that one reading of a topic may take for those who resume from further back, in bytes; more takes several readings',
  ),
  DRAIN_WINDOW: duration('10s', { max: '24h' }).describe('At the end connections are closed spread over this time'),
  ALLOWED_ORIGINS: allowedOrigins().describe(
    'Origins of web pages that may call, such as https://shop.example, with commas between them, or * for any; by default those of this machine in development, none in production',
  ),
  PLAYGROUND: optionalFlag().describe('Whether the playground is served; by default only in development'),
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
    "Percent of the event loop's time for texts that are new and operations of more than 500 selections; more wait",
  ),
  MAX_RESPONSE_BYTES: integer(16_777_216, { min: 1_024, max: 268_435_456 }).describe('Largest answer, in bytes'),
  INTROSPECTION: optionalFlag().describe('Whether clients may ask for the schema; by default only in development'),
});

/** The setting that says where a subgraph answers GraphQL, such as `SUBGRAPH_USER_URL`. */
export function subgraphUrlSetting(name: string): string {
  return `SUBGRAPH_${name.toUpperCase().replace(/\W/g, '_')}_URL`;
}

/** The setting that says where a subgraph serves subscriptions of its own, such as `SUBGRAPH_USER_SUBSCRIPTIONS_URL`. */
export function subscriptionsUrlSetting(name: string): string {
  return subgraphUrlSetting(name).replace(/_URL$/, '_SUBSCRIPTIONS_URL');
}

/**
 * Settings of a process of its own, in front of these subgraphs.
 *
 * @param supergraphFault why the supergraph that SUPERGRAPH names can't be served; null when it can
 */
export function gatewayProcessSettings(subgraphs: readonly string[], supergraphFault: string | null = null) {
  const supergraph = {
    SUPERGRAPH: z
      .string()
      .optional()
      .refine(() => supergraphFault === null, supergraphFault ?? '')
      .describe("File or http(s) URL of the supergraph, read again when it changes; by default this repository's own"),
    SUPERGRAPH_POLL: duration('10s', { max: '24h' }).describe(
      'How often a SUPERGRAPH that is a URL is asked for changes',
    ),
  };
  const urls = Object.fromEntries(
    subgraphs.map((name) => [
      subgraphUrlSetting(name),
      httpUrl().describe(`Where the subgraph ${name} answers GraphQL`),
    ]),
  );
  const subscriptionsUrls = Object.fromEntries(
    subgraphs.map((name) => [
      subscriptionsUrlSetting(name),
      z
        .url({ protocol: /^(wss?|https?)$/ })
        .optional()
        .describe(
          `Where the subgraph ${name} serves subscriptions of its own: ws: by graphql-ws, http: by Server-Sent Events; by default its URL, by graphql-ws`,
        ),
    ]),
  );
  return z
    .object({
      ...gatewaySettings.shape,
      ...serviceSettings,
      ...topicsSettings,
      ...keyValueSettings,
      ...supergraph,
      ...urls,
      ...subscriptionsUrls,
    })
    .refine(...saslIsWhole);
}

export type GatewayConfig = Readonly<z.output<typeof gatewaySettings>>;

/** What a flag says whose default hangs on NODE_ENV. */
export function isOn(given: boolean | undefined, { NODE_ENV }: Pick<GatewayConfig, 'NODE_ENV'>): boolean {
  return given ?? NODE_ENV !== 'production';
}

/** Whether a web page of this origin may call. Clients other than browsers send none, and may. */
export function originPolicy({
  ALLOWED_ORIGINS,
  NODE_ENV,
}: Pick<GatewayConfig, 'ALLOWED_ORIGINS' | 'NODE_ENV'>): (origin: string | undefined, host?: string) => boolean {
  const allowed = new Set(ALLOWED_ORIGINS);
  return (origin, host) => {
    if (origin === undefined || allowed.has(origin) || allowed.has(anyOrigin)) return true;
    if (!URL.canParse(origin)) return false;
    const url = new URL(origin);
    // A page of the gateway's own, such as the playground.
    if (host !== undefined && url.host === host) return true;
    return (
      ALLOWED_ORIGINS === undefined &&
      NODE_ENV !== 'production' &&
      /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
    );
  };
}
