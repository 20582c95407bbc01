import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { SubgraphCall } from '@voucher-gateway/platform/graphql/subgraph-call';
import { createClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { listen } from '@voucher-gateway/platform/http/listen';
import { createReadiness } from '@voucher-gateway/platform/http/readiness';
import { createHttpServer, httpLimitsOf } from '@voucher-gateway/platform/http/server';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { defaultStopMs, type Service } from '@voucher-gateway/platform/process/lifecycle';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createStopStage, stopLimits } from '@voucher-gateway/platform/process/stop-stage';
import type { Topics } from '@voucher-gateway/platform/topics';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { originPolicy } from './allowed-origins.ts';
import { type GatewayConfig, isOn } from './config.ts';
import { callLimitsOf } from './federation/call-limits.ts';
import type { FederationOptions } from './federation/federation.ts';
import { createReloadableFederation } from './federation/reloadable-federation.ts';
import { createSubgraphSources } from './federation/subgraph-sources.ts';
import { createUpstreams } from './federation/subgraph-subscriptions.ts';
import { createDirectOperations } from './http/direct-operations.ts';
import { addHttp } from './http/graphql.ts';
import { createKnownOperations } from './http/known-operations.ts';
import { createRequestContexts } from './http/request-contexts.ts';
import { createOperations } from './operations/operations.ts';
import { createPlanner } from './planning/planner.ts';
import { subgraphUrlSetting } from './process-settings.ts';
import { createLargeRequests } from './scheduling/large-requests.ts';
import { createLoopTurns } from './scheduling/loop-turns.ts';
import { openGate } from './sessions/open-gate.ts';
import { noTopics } from './subscriptions/no-topics.ts';
import { createSubscriptions } from './subscriptions/subscriptions.ts';
import { createSendBudget } from './transports/backpressure.ts';
import { createOpenConnections } from './transports/connections.ts';
import { limitHttpConnections } from './transports/http-connections.ts';
import { countHttpAnswers } from './transports/http-responses.ts';
import { attachWebSocket } from './transports/websocket.ts';

export interface GatewayOptions {
  config: GatewayConfig;
  /** Name of the setting that chose the port. Default: `PORT`. */
  portSetting?: string;
  /** The supergraph to serve. */
  supergraphSdl: string;
  /** GraphQL URLs of the subgraphs, by name. */
  subgraphUrls: Readonly<Record<string, string>>;
  /**
   * URLs at which subgraphs serve Subscription fields without `@topic`, by name: `ws:` for graphql-ws, `http:` for
   * Server-Sent Events. Default: the subgraph's URL, over graphql-ws.
   */
  subscriptionUrls?: Readonly<Record<string, string>>;
  /** Time-outs of calls to subgraphs in milliseconds, by name. Default: SUBGRAPH_TIMEOUT. */
  subgraphTimeouts?: Readonly<Record<string, number>>;
  /** Functions that call subgraphs in the same process, by URL, in place of HTTP. Default: none. */
  localCalls?: ReadonlyMap<string, SubgraphCall>;
  log: Log;
  clock: Clock;
  /** Null if there is no broker. Without a broker, a supergraph with `@topic` fields is refused. */
  topics: Topics | null;
  /**
   * The session store. Null for a gateway without sessions, which only verifies tokens. Without a session store and
   * without JWKS_URL, the gateway forwards tokens unverified.
   */
  keyValue: KeyValue | null;
  /** Creates the planner of a supergraph. Default: a planner that runs in a separate thread. */
  createPlanner?: FederationOptions['createPlanner'];
}

type SubgraphUrls = Required<Pick<GatewayOptions, 'subgraphUrls' | 'subscriptionUrls'>> &
  Pick<GatewayOptions, 'subgraphTimeouts'>;

export interface Gateway extends Service {
  /** Number of active subscriptions. */
  readonly subscriptions: number;
  /**
   * Switches to another supergraph without closing connections. Active subscriptions are planned again; a subscription
   * that is invalid in the new supergraph ends with SUBSCRIPTION_SCHEMA_RELOAD. If the new supergraph can't be served,
   * nothing changes.
   *
   * @param urls URLs of the subgraphs. Default: the current ones
   * @throws Error with every fault of the supergraph, or with the name of a missing URL setting
   */
  reload(supergraphSdl: string, urls?: SubgraphUrls): Promise<void>;
  /** Number of subscriptions that the gateway has at subgraphs. */
  readonly upstreamSubscriptions: number;
}

/**
 * Time without new operations after which the planner's thread ends in production. Its end saves 40 MiB. In development
 * the thread keeps running, because its start delays the next new operation by half a second.
 */
const sleepAfterMs = 60_000;

/**
 * Creates the federated gateway: GraphQL over HTTP and WebSocket at `/graphql`, the REST operations and the pages.
 *
 * Disposing turns readiness off, closes sockets and streams over the time DRAIN_WINDOW, and waits for running
 * operations.
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, portSetting = 'PORT', supergraphSdl, subgraphUrls, subscriptionUrls = {} } = options;
  const { log, clock, keyValue, localCalls, subgraphTimeouts } = options;
  const topics = options.topics ?? noTopics;
  await using releases = new AsyncDisposableStack();
  let urls: SubgraphUrls = { subgraphUrls, subscriptionUrls, ...(subgraphTimeouts && { subgraphTimeouts }) };
  const sources = createSubgraphSources({ limits: callLimitsOf(config), log, ...(localCalls && { localCalls }) });
  const dataSourceBy = (next: SubgraphUrls) => (name: string) => {
    const url = next.subgraphUrls[name];
    if (url === undefined)
      throw new Error(`${subgraphUrlSetting(name)} is missing: the supergraph has a subgraph ${name}`);
    return sources.lease(name, url, next.subgraphTimeouts?.[name]);
  };
  const planning = releases.use(createStopStage({ withinMs: stopLimits.plannerMs, log }));
  const federation = planning.use(
    await createReloadableFederation({
      supergraphSdl,
      suggestions: isOn(config.INTROSPECTION, config),
      overrideLabels: config.OVERRIDE_LABELS,
      authorization: {
        scopes: config.SCOPE_CLAIM,
        policies: config.POLICY_CLAIM ?? null,
        rejectUnauthorized: config.UNAUTHORIZED_FIELDS === 'reject',
      },
      log,
      dataSource: dataSourceBy(urls),
      retireAfterMs: config.SUBGRAPH_TIMEOUT,
      createPlanner:
        options.createPlanner ??
        ((planner) =>
          createPlanner({ ...planner, sleepAfterMs: config.NODE_ENV === 'production' ? sleepAfterMs : null })),
    }),
  );
  // Resources are disposed in reverse order. First `work` is drained. Then the calls to subgraphs are aborted, because
  // no client waits for them any more. Last, `planning` waits for the operations that are still running.
  releases.defer(sources.abort);
  const work = releases.use(createStopStage({ withinMs: stopLimits.workMs, log }));
  const gate = work.use(await openGate({ config, keyValue, topics, clock, log }));
  const upstreams = work.use(
    createUpstreams({
      log,
      urlOf: (name) =>
        Object.hasOwn(federation.current.subgraphs, name)
          ? (urls.subscriptionUrls[name] ?? urls.subgraphUrls[name]?.replace(/^http/, 'ws'))
          : undefined,
      connectTimeoutMs: config.UPSTREAM_CONNECT_TIMEOUT,
      keepAliveMs: config.UPSTREAM_KEEP_ALIVE,
      retryBaseMs: config.UPSTREAM_RETRY_BASE,
      maxEventBytes: config.MAX_SUBGRAPH_ANSWER_BYTES,
      maxPerSubgraph: config.MAX_UPSTREAM_SUBSCRIPTIONS,
    }),
  );
  const subscriptions = work.use(
    await createSubscriptions({
      federation,
      topics,
      clock,
      log,
      upstreams,
      recentBounds: { maxCount: config.TOPIC_WINDOW, maxBytes: config.TOPIC_WINDOW_BYTES },
      maxScanBytes: config.TOPIC_SCAN_BYTES,
      maxPerUser: config.MAX_SUBSCRIPTIONS_PER_USER,
    }),
  );
  const operations = createOperations({
    federation,
    limits: config,
    mode: config.OPERATION_LIMITS,
    introspection: isOn(config.INTROSPECTION, config),
    largeOperationsShare: config.LARGE_OPERATIONS_SHARE / 100,
    shareReads: config.SHARE_READS ?? false,
    log,
  });
  const turns = createLoopTurns({ maxPerTurn: 64 });
  const largeRequests = createLargeRequests();
  const connections = createOpenConnections(
    {
      total: config.MAX_CONNECTIONS,
      perAddress: config.MAX_CONNECTIONS_PER_ADDRESS,
      anonymousPerAddress: config.MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS,
    },
    log,
  );
  const addresses = createClientAddresses(config.TRUSTED_PROXIES);

  const readiness = createReadiness({
    required: keyValue ? { 'key-value': keyValue.ping } : {},
    reported: {
      ...(options.topics && { topics: topics.ping }),
      planner: () => federation.current.planner.ping(),
    },
  });
  const budget = createSendBudget(config.MAX_TOTAL_BUFFERED_BYTES, log);
  const allowsOrigin = originPolicy(config);
  const contexts = createRequestContexts({ config, gate, addresses });
  const known = createKnownOperations({ operations, log });
  const direct = createDirectOperations({
    known,
    contexts,
    turns,
    addresses,
    budget,
    allowsOrigin,
    maxBodyBytes: config.MAX_BODY_BYTES,
    log,
  });
  const app = createHttpServer({
    log,
    direct,
    bodyLimitBytes: config.MAX_BODY_BYTES,
    statusOf,
    readiness,
    failures: topics.failures,
    limits: httpLimitsOf(config),
  });
  work.defer(() => app.close());
  countHttpAnswers(app, budget);
  releases.use(
    await addHttp({
      app,
      config,
      schema: federation.current.schema,
      gate,
      log,
      addresses,
      turns,
      largeRequests,
      contexts,
      known,
      direct,
      allowsOrigin,
      streams: { subscriptions, operations, connections, budget },
    }),
  );
  const httpConnections = releases.use(
    limitHttpConnections({
      server: app.server,
      addresses,
      maxPerAddress: config.MAX_HTTP_CONNECTIONS_PER_ADDRESS,
      log,
    }),
  );
  releases.use(
    attachWebSocket({
      server: app.server,
      path: '/graphql',
      operations,
      turns,
      largeRequests,
      subscriptions,
      connections,
      addresses,
      gate,
      log,
      httpConnections,
      maxOperations: config.MAX_SUBSCRIPTIONS_PER_CONNECTION,
      sendLimits: { maxBufferedBytes: config.MAX_BUFFERED_BYTES, budget, log },
      maxMessageBytes: config.MAX_MESSAGE_BYTES,
      allowsOrigin: (request) => allowsOrigin(request.headers.origin, request.headers.host),
    }),
  );
  releases.defer(() => connections.drain(config.DRAIN_WINDOW, stopLimits.drainMs));
  releases.defer(readiness.retire);
  const url = await listen(app, { host: config.HOST, port: config.PORT, setting: portSetting });
  const owned = releases.move();
  return {
    url,
    retire: readiness.retire,
    get subscriptions() {
      return subscriptions.count;
    },
    async reload(sdl, nextUrls = urls) {
      await federation.reload(sdl, {
        dataSource: dataSourceBy(nextUrls),
        async prepare(next) {
          const preparation = await subscriptions.prepareFor(next);
          return {
            ...preparation,
            commit() {
              urls = nextUrls;
              preparation.commit();
            },
            async finish() {
              await preparation.finish();
              await upstreams.reconnectMoved();
            },
          };
        },
      });
      log.info({ subscriptions: subscriptions.count }, 'another supergraph is served');
    },
    get upstreamSubscriptions() {
      return upstreams.count;
    },
    stopWithinMs: config.DRAIN_WINDOW + defaultStopMs,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
