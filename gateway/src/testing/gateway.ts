import { createTestClock } from '@voucher-gateway/platform/async/clock';
import type { SubgraphCall as LocalCall } from '@voucher-gateway/platform/graphql/subgraph-call';
import { createSubgraphServer } from '@voucher-gateway/platform/graphql/subgraph-server';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startIssuer, type TestUser } from '@voucher-gateway/platform/testing/tokens';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import type { Topics } from '@voucher-gateway/platform/topics';
import { sessionKey } from '@voucher-gateway/schema/session';
import { type SessionEnded, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { gatewaySettings } from '../config.ts';
import { createGateway } from '../server.ts';
import { type ClientOptions, connectClient } from './clients/graphql-ws-client.ts';
import { leasePlanner } from './operations/lease-planner.ts';
import { parcelMoved } from './supergraphs/moves.ts';
import { createWorld, type Move, parcelSchemas, parcelSupergraph } from './supergraphs/parcel-supergraph.ts';

export interface SubgraphCall {
  subgraph: string;
  headers: Record<string, unknown>;
  signal: AbortSignal;
}

/** A user with a session. */
export interface SignedInUser extends TestUser {
  /** Headers with the token. */
  headers: { authorization: string };
}

export type TestGateway = Awaited<ReturnType<typeof startTestGateway>>;

/** Starts a gateway with the parcel subgraphs over real HTTP, on a clock that the test advances. */
export async function startTestGateway({
  environment = {},
  keyValue,
  subgraphUrls = {},
  subscriptionUrls = {},
  supergraphSdl = parcelSupergraph(),
  jwksUrl,
  inProcess = false,
  tokens = 'sessions',
}: {
  environment?: Environment;
  /** Methods that replace methods of the session store. */
  keyValue?: Partial<KeyValue>;
  /** URLs that replace those of the real subgraphs. */
  subgraphUrls?: Record<string, string>;
  /** URLs at which subgraphs serve subscriptions themselves. */
  subscriptionUrls?: Record<string, string>;
  supergraphSdl?: string;
  jwksUrl?: string;
  /** Whether the gateway calls the subgraphs without HTTP. */
  inProcess?: boolean;
  /**
   * How the gateway handles tokens: with sessions, by verification only, or by forwarding without verification.
   * Default: sessions.
   */
  tokens?: 'sessions' | 'verified' | 'passed on';
} = {}) {
  await using releases = new AsyncDisposableStack();
  const clock = createTestClock();
  const log = createMemoryLog();
  const engines = releases.use(await openTestEngines({ clock, log }));
  const issuer = releases.use(await startIssuer());
  const world = createWorld();
  const calls: SubgraphCall[] = [];
  const urls: Record<string, string> = {};
  const localCalls = new Map<string, LocalCall>();
  for (const [subgraph, schema] of Object.entries(parcelSchemas(world))) {
    const { url, call } = releases.use(
      await createSubgraphServer({
        schema,
        log,
        host: '127.0.0.1',
        port: 0,
        engines: {},
        context: async ({ headers }, signal) => {
          calls.push({ subgraph, headers, signal });
          return {};
        },
      }),
    );
    urls[subgraph] = `${url}/graphql`;
    if (inProcess) localCalls.set(`${url}/graphql`, call);
  }
  const addresses = { subgraphUrls: { ...urls, ...subgraphUrls }, subscriptionUrls };
  const tails: string[] = [];
  const topics: Topics = {
    ...engines.topics,
    async tail(options) {
      const tail = await engines.topics.tail(options);
      tails.push(options.topic.name);
      return {
        ...tail,
        async [Symbol.asyncDispose]() {
          tails.splice(tails.indexOf(options.topic.name), 1);
          await tail[Symbol.asyncDispose]();
        },
      };
    },
  };
  const start = () =>
    createGateway({
      clock,
      log,
      topics,
      keyValue: tokens === 'sessions' ? { ...engines.keyValue, ...keyValue } : null,
      createPlanner: leasePlanner,
      supergraphSdl,
      ...addresses,
      localCalls,
      config: {
        ...readConfig(gatewaySettings, {
          PORT: '0',
          DRAIN_WINDOW: '1ms',
          UPSTREAM_RETRY_BASE: '1ms',
          JWKS_URL: jwksUrl ?? issuer.jwksUrl,
          ...environment,
        }),
        ...(tokens === 'passed on' && { JWKS_URL: undefined }),
      },
    });
  const gateway = releases.use(await start());
  const owned = releases.move();
  const graphqlUrl = `${gateway.url}/graphql`;
  const socketUrl = graphqlUrl.replace('http', 'ws');

  const signIn = async (customer = 'ann', claims: Record<string, unknown> = {}): Promise<SignedInUser> => {
    const { sub } = claims;
    const userId = typeof sub === 'string' ? { userId: sub } : {};
    const user = await issuer.user({ ...userId, now: clock.now(), claims: { customer, ...claims } });
    await engines.keyValue.set(sessionKey(user.sid), JSON.stringify({ userId: user.userId, kid: issuer.kid }), {
      ttlMs: 600_000,
    });
    return { ...user, headers: { authorization: `Bearer ${user.token}` } };
  };
  const connect = (
    authorization: string | null,
    { url = socketUrl, ...options }: ClientOptions & { url?: string } = {},
  ) => {
    const connection = connectClient(url, authorization, options);
    owned.defer(async () => void (await connection.client.dispose()));
    return connection;
  };
  return {
    ...gateway,
    /** URLs of the subgraphs. */
    addresses,
    /** The topics that the gateway consumes (`Topics.tail`), in the order in which it started to consume them. */
    tails: () => [...tails],
    /** Number of subscriptions that the gateway has at subgraphs. */
    upstreamSubscriptions: () => gateway.upstreamSubscriptions,
    /** Starts another gateway with the same session store and topics. The caller must stop that gateway. */
    start,
    /** Stops only the gateway. Its clients, its session store and its topics stay open. */
    stop: () => gateway[Symbol.asyncDispose](),
    /** Resolves when exactly `count` subscriptions are active. */
    async untilSubscribed(count: number) {
      await waitFor(() => gateway.subscriptions === count, { everyMs: 1 });
    },
    graphqlUrl,
    socketUrl,
    clock,
    log,
    engines,
    issuer,
    world,
    calls,
    signIn,
    connect,
    post: (query: string, { variables = {}, token }: { variables?: object; token?: string } = {}) =>
      postGraphql(graphqlUrl, query, variables, token),
    publish: (move: Move) => engines.database.transaction((tx) => engines.topics.publish(tx, parcelMoved, move)),
    endSession: (ended: SessionEnded) =>
      engines.database.transaction((tx) => engines.topics.publish(tx, schemaTopics.sessionEnded, ended)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
