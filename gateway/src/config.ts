import { trustedProxies } from '@voucher-gateway/platform/http/client-address';
import {
  commonSettings,
  duration,
  httpUrl,
  integer,
  integerOrOff,
  listItems,
  oneOf,
  optionalFlag,
  port,
} from '@voucher-gateway/platform/process/config';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { z } from 'zod';
import { allowedOrigins } from './allowed-origins.ts';
import { forwardedHeaders } from './forwarded-headers.ts';

export const gatewaySettings = z.object({
  ...commonSettings,
  PORT: port(8080).describe('Port to listen on'),
  JWKS_URL: httpUrl().describe("URL of the user service's public keys"),
  JWT_ISSUER: z.string().default(defaultIssuer).describe('`iss` of the tokens'),
  JWT_AUDIENCE: z.string().default(defaultAudience).describe('`aud` of the tokens'),
  WEBHOOKS_JWKS_URL: httpUrl()
    .optional()
    .describe(
      "URL of delivery's public keys, which the gateway serves at /.well-known/webhooks-jwks.json to the receivers of callbacks; without it, the gateway does not serve them",
    ),
  SESSION_IDLE: duration('10m').describe('A session ends this long after its last request'),
  SUBGRAPH_TIMEOUT: duration('30s', { max: '1h' }).describe(
    'Time-out of a call to a subgraph, including the time that the call waits in the queue',
  ),
  SUBGRAPH_CONNECTIONS: integer(128, { min: 1, max: 10_000 }).describe(
    'Limit of concurrent calls per subgraph; further calls wait in a queue',
  ),
  SUBGRAPH_QUEUE_TIMEOUT: duration('5s', { max: '1h' }).describe(
    'Longest wait of a call in the queue, minus a random part of up to half; after it the call fails with SUBGRAPH_UNAVAILABLE. Must be shorter than the time-outs of clients',
  ),
  SUBGRAPH_QUEUE: integer(10_000, { min: 0, max: 1_000_000 }).describe(
    'Limit of waiting calls per subgraph; beyond it, calls of the client address with the most waiting calls fail with SUBGRAPH_UNAVAILABLE',
  ),
  SUBGRAPH_QUEUE_BYTES: integer(67_108_864, { min: 0, max: 4_294_967_296 }).describe(
    'Limit of bytes of waiting calls per subgraph; beyond it, calls of the client address with the most bytes fail with SUBGRAPH_UNAVAILABLE',
  ),
  FORWARD_HEADERS: forwardedHeaders().describe(
    'Request headers, comma-separated, that the gateway forwards to subgraphs over HTTP, besides authorization, x-request-id and x-forwarded-for',
  ),
  FORWARD_COOKIES: optionalFlag().describe('Whether clients get the set-cookie headers of subgraphs; by default false'),
  FORWARD_CACHE_CONTROL: optionalFlag().describe(
    "Whether clients get the strictest cache-control header of the called subgraphs; by default false. A subgraph's response without the header counts as no-store",
  ),
  SHARE_READS: optionalFlag().describe(
    'Whether the gateway executes concurrent equal queries only once; by default false. Equal queries have the same text, variables, authorization, client address and FORWARD_HEADERS. Not with FORWARD_COOKIES or FORWARD_CACHE_CONTROL',
  ),
  SUBGRAPH_RETRIES: integer(0, { min: 0, max: 10 }).describe(
    "Retries of a query that a subgraph did not answer, with backoff and within the query's time-out; mutations are never retried",
  ),
  SUBGRAPH_BREAK_AFTER: integerOrOff(50, { min: 1, max: 1_000_000 }).describe(
    'After this many consecutive calls without an answer from a subgraph, calls to it fail at once, except one attempt per second; or off',
  ),
  MAX_SUBGRAPH_ANSWER_BYTES: integer(8_388_608, { min: 1_024, max: 268_435_456 }).describe(
    'Largest response of a subgraph, in bytes',
  ),
  UPSTREAM_CONNECT_TIMEOUT: duration('10s', { max: '1h' }).describe(
    'Time-out of opening a subscription at a subgraph, until the subgraph acknowledges it',
  ),
  UPSTREAM_KEEP_ALIVE: duration('30s', { max: '1h' }).describe(
    'Interval of pings to a subgraph with an open subscription; the gateway reconnects if nothing arrives for twice as long',
  ),
  UPSTREAM_RETRY_BASE: duration('100ms', { max: '2s' }).describe(
    'Time before a lost subscription at a subgraph is opened again; the time doubles with each failure, up to 2s, minus a random part of up to half',
  ),
  MAX_UPSTREAM_SUBSCRIPTIONS: integer(10_000, { min: 1, max: 1_000_000 }).describe(
    'Limit of concurrent subscriptions at a subgraph, where a shared subscription counts once; further ones fail with SUBGRAPH_UNAVAILABLE',
  ),
  MAX_BODY_BYTES: integer(262_144, { min: 1_024, max: 16_777_216 }).describe('Largest request body, in bytes'),
  MAX_MESSAGE_BYTES: integer(65_536, { min: 1_024, max: 16_777_216 }).describe(
    'Largest WebSocket message from a client, in bytes',
  ),
  MAX_BUFFERED_BYTES: integer(262_144, { min: 16_384, max: 67_108_864 }).describe(
    "Limit of buffered bytes for a slow client; beyond it the gateway closes the client's connection",
  ),
  MAX_TOTAL_BUFFERED_BYTES: integer(268_435_456, { min: 1_048_576, max: 68_719_476_736 }).describe(
    'Limit of buffered bytes for all clients of a process; beyond it the gateway drops the connections with the most buffered bytes',
  ),
  MAX_CONNECTIONS: integer(20_000, { min: 1, max: 1_000_000 }).describe(
    'Limit of concurrent WebSockets and streams of a process; further ones are rejected, and their clients may retry later',
  ),
  MAX_CONNECTIONS_PER_ADDRESS: integerOrOff(2_000, { min: 1, max: 1_000_000 }).describe(
    'Limit of concurrent WebSockets and streams per client address (IPv6: per /64); further ones are rejected; or off',
  ),
  MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: integerOrOff(200, { min: 1, max: 1_000_000 }).describe(
    'Limit of concurrent WebSockets and streams per client address from clients that have not signed in; or off',
  ),
  MAX_HTTP_CONNECTIONS_PER_ADDRESS: integerOrOff(2_000, { min: 1, max: 1_000_000 }).describe(
    'Limit of concurrent HTTP connections per address (IPv6: per /64), except for trusted proxies; further ones are reset; or off',
  ),
  MAX_SUBSCRIPTIONS_PER_CONNECTION: integer(100, { min: 1, max: 100_000 }).describe(
    'Limit of concurrent operations per WebSocket; further ones are refused',
  ),
  MAX_SUBSCRIPTIONS_PER_USER: integer(200, { min: 1, max: 1_000_000 }).describe(
    'Limit of concurrent subscriptions in a process per user, or per address for clients that have not signed in; further ones are refused',
  ),
  TOPIC_WINDOW: integer(10_000, { min: 1, max: 1_000_000 }).describe(
    'Limit of recent messages per topic in memory, for clients that resume; older messages are read from Kafka',
  ),
  TRUSTED_PROXIES: trustedProxies().describe(
    'Addresses and CIDRs, comma-separated, of the proxies in front of the gateway; only their X-Forwarded-For headers are trusted',
  ),
  TOPIC_WINDOW_BYTES: integer(67_108_864, { min: 1_024, max: 17_179_869_184 }).describe(
    'Limit of the memory for recent messages per topic, in bytes',
  ),
  TOPIC_SCAN_BYTES: integer(67_108_864, { min: 1_024, max: 17_179_869_184 }).describe(
    'Limit of the memory for one scan of a topic for clients that resume from older messages, in bytes; larger ranges need several scans',
  ),
  DRAIN_WINDOW: duration('10s', { max: '24h' }).describe(
    'At shutdown, the gateway spreads the closing of connections over this time',
  ),
  ALLOWED_ORIGINS: allowedOrigins().describe(
    'Origins of web pages that may call the gateway, comma-separated, such as https://shop.example, or * for any; by default localhost in development, none in production',
  ),
  PLAYGROUND: optionalFlag().describe('Whether the playground is served; by default only in development'),
  PAGE: optionalFlag().describe(
    'Whether the page that requests vouchers is served at /, if the supergraph has the voucher operations; by default only in development',
  ),
  QUERY_PLANS: optionalFlag().describe(
    'Whether the response to a request with the header x-query-plan contains the query plan and the time of each fetch; by default only in development',
  ),
  CALLBACK_RECEIVER: optionalFlag().describe(
    "Whether the page's callback receiver is served at /receivers/; by default only in development",
  ),
  OPERATION_LIMITS: oneOf(['enforce', 'measure'], 'enforce').describe(
    'Whether operations over the limits below are refused (enforce), or only logged (measure), to find fitting limits',
  ),
  MAX_DEPTH: integer(20, { min: 1, max: 100 }).describe(
    'Limit of the depth of nested fields in an operation, except in introspection',
  ),
  MAX_ALIASES: integer(100, { min: 0, max: 100_000 }).describe('Limit of aliases in an operation'),
  MAX_ROOT_FIELDS: integer(20, { min: 1, max: 10_000 }).describe('Limit of root fields in an operation'),
  MAX_TOKENS: integer(5_000, { min: 100, max: 100_000 }).describe(
    'Limit of tokens in a document, and of selections in an operation with its fragments expanded',
  ),
  MAX_DIRECTIVES: integer(100, { min: 0, max: 100_000 }).describe('Limit of directives in an operation'),
  MAX_COST: integer(10_000, { min: 1, max: 1_000_000_000 }).describe(
    'Limit of the cost of an operation. The cost estimates the number of objects in the response, weighted by @cost and @listSize',
  ),
  LARGE_OPERATIONS_SHARE: integer(10, { min: 1, max: 100 }).describe(
    "Limit in percent of the event loop's time for new documents and for operations with over 500 selections; beyond it, they wait",
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
    .describe('Claim with the fulfilled policies for @policy; without this setting, no policy is ever fulfilled'),
  UNAUTHORIZED_FIELDS: oneOf(['remove', 'reject'], 'remove').describe(
    'Whether fields that the client may not see are removed from the operation (remove), or the operation is refused (reject)',
  ),
  OVERRIDE_LABELS: z
    .string()
    .default('')
    .transform(listItems)
    .describe(
      'Active labels of @override(label:), comma-separated; percentages such as percent(5) are decided per request',
    ),
  INTROSPECTION: optionalFlag().describe('Whether clients may introspect the schema; by default only in development'),
});

type IdentitySetting = 'JWKS_URL' | 'JWT_ISSUER' | 'JWT_AUDIENCE';

/** The gateway's configuration. In a gateway without sessions, the settings for tokens are optional. */
export type GatewayConfig = Readonly<
  Omit<z.output<typeof gatewaySettings>, IdentitySetting> & Partial<Record<IdentitySetting, string | undefined>>
>;

/** Returns the value of a flag that is on by default, except in production. */
export function isOn(flag: boolean | undefined, { NODE_ENV }: Pick<GatewayConfig, 'NODE_ENV'>): boolean {
  return flag ?? NODE_ENV !== 'production';
}
