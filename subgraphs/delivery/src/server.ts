import { buildSubgraphSchema } from '@apollo/subgraph';
import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { startHousekeeping } from '@voucher-gateway/platform/database/housekeeping';
import { createNameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { callbackUrlPolicy } from '@voucher-gateway/platform/egress/settings';
import { createSubgraphServer } from '@voucher-gateway/platform/graphql/subgraph-server';
import { httpLimitsOf } from '@voucher-gateway/platform/http/server';
import { createRemoteKeys, revokeKeysFrom } from '@voucher-gateway/platform/identity/remote-keys';
import { createTokenVerifier, type Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { Jobs } from '@voucher-gateway/platform/jobs';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { allowWithoutStore, createRateLimiter } from '@voucher-gateway/platform/key-value/rate-limiter';
import type { Service } from '@voucher-gateway/platform/process/lifecycle';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createStopStage, stopLimits } from '@voucher-gateway/platform/process/stop-stage';
import type { Topics } from '@voucher-gateway/platform/topics';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { subgraphSdl } from '@voucher-gateway/schema/sdl';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { parse } from 'graphql';
import { attemptQueue, createDeliveryStore } from './attempts/delivery-store.ts';
import { createDispatcher } from './attempts/dispatcher.ts';
import { createCallbackSecrets } from './channels/callback/secrets.ts';
import { createCallbackSender } from './channels/callback/send.ts';
import { createChannels } from './channels/channels.ts';
import { createLogSmsSender, type SmsSender } from './channels/sms.ts';
import type { DeliveryConfig } from './config.ts';
import { startConsumers } from './consumers.ts';
import { createDeliveryLoaders, type DeliveryLoaders } from './loaders.ts';
import { deliveryMigrations } from './migrations.ts';
import { createCallbackTargets } from './request-targets.ts';
import { createResolvers, type DeliveryContext } from './resolvers.ts';
import { deliveryRetentions } from './retention.ts';

export interface DeliveryServiceOptions {
  config: DeliveryConfig;
  log: Log;
  clock: Clock;
  database: Database;
  topics: Topics;
  keyValue: KeyValue;
  jobs: Jobs;
  /** Sends text messages. Default: writes a line to the log. */
  smsSender?: SmsSender;
}

/** Time to store an attempt after its time-out, in milliseconds. */
const storeMarginMs = 5_000;

/** Starts the delivery subgraph at `/graphql`: signed callbacks and SMS. */
export async function createDeliveryService(options: DeliveryServiceOptions): Promise<Service> {
  const { config, log, clock, database, topics, keyValue, jobs, smsSender = createLogSmsSender({ log }) } = options;
  const timeoutMs = config.CALLBACK_TIMEOUT;
  await using releases = new AsyncDisposableStack();
  await database.migrate(deliveryMigrations);
  await jobs.declare(attemptQueue);

  const secrets = createCallbackSecrets({ database, oldSecretSignsMs: config.OLD_SECRET_RETENTION });
  const callbacks = releases.use(
    createCallbackSender({
      clock,
      now: () => database.now(),
      timeoutMs,
      policy: callbackUrlPolicy(config),
      resolver: releases.use(createNameResolver({ servers: config.CALLBACK_DNS_SERVERS })),
      proxyUrl: config.CALLBACK_PROXY,
    }),
  );
  const attempts = releases.use(createStopStage({ withinMs: stopLimits.attemptsMs, log }));
  const dispatcher = attempts.use(
    createDispatcher({
      store: createDeliveryStore({
        database,
        jobs,
        schedule: config.CALLBACK_RETRY_SCHEDULE,
        leaseMs: timeoutMs + storeMarginMs,
      }),
      ...createChannels({ callbacks, secrets, smsSender, clock, timeoutMs }),
      database,
      clock,
      log,
    }),
  );
  const work = releases.use(createStopStage({ withinMs: stopLimits.workMs, log }));
  work.use(await jobs.work(attemptQueue, dispatcher.runJob));
  const targets = createCallbackTargets({ database, keyValue, waitMs: config.REQUEST_WAIT, clock, log });
  await startConsumers({ topics, targets, dispatcher, stage: work });
  work.use(startHousekeeping({ database, clock, log, retentions: deliveryRetentions(config) }));

  if (config.RATE_LIMITS === 'off') log.warn({}, 'RATE_LIMITS is off: redeliveries are not limited');
  // Redeliveries do not need the key-value store: while it is unavailable they are accepted without a limit.
  const limiter = allowWithoutStore(
    createRateLimiter({
      keyValue,
      name: 'redeliveries-per-user',
      limit: config.RATE_LIMITS === 'off' ? null : config.LIMIT_REDELIVERIES_PER_USER,
      message: 'Too many redeliveries',
    }),
    log,
  );
  const keys = releases.use(createRemoteKeys({ url: config.JWKS_URL, log }));
  work.use(await revokeKeysFrom({ topics, topic: schemaTopics.sessionEnded, log }, keys));
  const verify = createTokenVerifier({
    keys: keys.find,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    now: () => database.now(),
  });
  const server = work.use(
    await createSubgraphServer<DeliveryContext>({
      schema: buildSubgraphSchema([
        {
          typeDefs: parse(subgraphSdl('delivery')),
          resolvers: createResolvers({ dispatcher, secrets, limiter }) as never,
        },
      ]),
      log,
      host: config.HOST,
      port: config.PORT,
      limits: httpLimitsOf(config),
      failures: () => topics.failures(),
      statusOf,
      engines: {
        required: { database: () => database.ping() },
        reported: { topics: () => topics.ping(), 'key-value': () => keyValue.ping() },
      },
      context: async (request) => {
        let identity: Promise<Identity | null> | undefined;
        const loaders = new Map<string, DeliveryLoaders>();
        const { authorization } = request.headers;
        return {
          identity: () => {
            identity ??= authorization ? verify(authorization) : Promise.resolve(null);
            return identity;
          },
          loaders: (userId) => {
            const own = loaders.get(userId) ?? createDeliveryLoaders(database, userId);
            loaders.set(userId, own);
            return own;
          },
        };
      },
    }),
  );
  const owned = releases.move();
  return { url: server.url, retire: server.retire, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
