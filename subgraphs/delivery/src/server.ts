import { buildSubgraphSchema } from '@apollo/subgraph';
import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { startHousekeeping } from '@voucher-gateway/platform/database/housekeeping';
import { createNameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { callbackUrlPolicy } from '@voucher-gateway/platform/egress/settings';
import { createSubgraphServer, type SubgraphService } from '@voucher-gateway/platform/graphql/subgraph-server';
import { gaugesType } from '@voucher-gateway/platform/http/gauges';
import { httpLimitsOf } from '@voucher-gateway/platform/http/server';
import { createRemoteKeys, revokeKeysFrom } from '@voucher-gateway/platform/identity/remote-keys';
import { createSigningKeys } from '@voucher-gateway/platform/identity/signing-keys';
import { createTokenVerifier, type Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createStopStage, stopLimits } from '@voucher-gateway/platform/process/stop-stage';
import { startSealing } from '@voucher-gateway/platform/secrets/seal-secrets';
import { assertReadable } from '@voucher-gateway/platform/secrets/sealed-columns';
import type { SecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import type { Topics } from '@voucher-gateway/platform/topics';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { subgraphSdl } from '@voucher-gateway/schema/sdl';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { parse } from 'graphql';
import { createDeliveryStore } from './attempts/delivery-store.ts';
import { createDispatcher } from './attempts/dispatcher.ts';
import { createDeliveryQueues } from './attempts/due-deliveries.ts';
import { startRecoveries } from './attempts/recovery.ts';
import { createSmsReports } from './attempts/reports.ts';
import { publicKeysOf, publicKeysPath } from './channels/callback/public-keys.ts';
import { createCallbackSecrets } from './channels/callback/secrets.ts';
import { createCallbackSender } from './channels/callback/send.ts';
import { createTestCallbacks } from './channels/callback/test-callbacks.ts';
import { createChannels } from './channels/channels.ts';
import { createSmsSender } from './channels/sms/create-sender.ts';
import type { SmsSender } from './channels/sms/sms.ts';
import { addSmsStatusRoute } from './channels/sms/status-route.ts';
import type { DeliveryConfig } from './config.ts';
import { startConsumers } from './consumers.ts';
import { createAdmission } from './endpoints/admission.ts';
import { startAdmissionReport } from './endpoints/admission-report.ts';
import { createEndpointStore } from './endpoints/endpoint-store.ts';
import { admissionLimitsOf } from './endpoints/settings.ts';
import { createGauges } from './gauges.ts';
import type { DeliveryContext } from './graphql/context.ts';
import { createEndpointResolvers } from './graphql/endpoint-resolvers.ts';
import { createDeliveryLoaders, type DeliveryLoaders } from './graphql/loaders.ts';
import { createResolvers } from './graphql/resolvers.ts';
import { createDeliveryLimits } from './limits.ts';
import { deliveryMigrations } from './migrations.ts';
import { createCallbackTargets } from './request-targets.ts';
import { deliveryRetentions } from './retention.ts';
import { deliverySecrets, signingKey } from './tables.ts';

export interface DeliveryServiceOptions {
  config: DeliveryConfig;
  /** Name of the setting that chose the port. Default: `PORT`. */
  portSetting?: string;
  log: Log;
  clock: Clock;
  database: Database;
  topics: Topics;
  keyValue: KeyValue;
  /** Encrypts secrets in the database. */
  secrets: SecretBox;
  /** Sends text messages. Default: as configured. */
  smsSender?: SmsSender;
}

/**
 * Longest time-out for resolving a name. It is shorter if two time-outs, which show whose fault it is, would not end
 * well before the attempt's time-out.
 */
const maxLookupMs = 5_000;
/** Time for storing an attempt after its time-out, in milliseconds. */
const storeMarginMs = 5_000;

/** Starts the delivery subgraph at `/graphql`: signed callbacks and SMS. */
export async function createDeliveryService(options: DeliveryServiceOptions): Promise<SubgraphService> {
  const { config, log, clock, database, topics, keyValue, secrets: box } = options;
  const timeoutMs = config.CALLBACK_TIMEOUT;
  await using releases = new AsyncDisposableStack();
  await database.migrate(deliveryMigrations);
  await assertReadable(database, box, deliverySecrets);

  const secrets = createCallbackSecrets({ database, box, oldSecretSignsMs: config.OLD_SECRET_RETENTION, log });
  const callbackKeys = releases.use(
    await createSigningKeys({
      database,
      table: signingKey,
      secrets: box,
      clock,
      log,
      rotateAfterMs: config.CALLBACK_KEY_ROTATION,
      publishAfterMs: config.OLD_SECRET_RETENTION,
    }),
  );
  const policy = callbackUrlPolicy(config);
  const callbacks = releases.use(
    createCallbackSender({
      clock,
      now: () => database.now(),
      timeoutMs,
      policy,
      resolver: releases.use(
        createNameResolver({
          servers: config.CALLBACK_DNS_SERVERS,
          timeoutMs: Math.min(maxLookupMs, timeoutMs / 3),
        }),
      ),
      keys: callbackKeys,
      proxyUrl: config.CALLBACK_PROXY,
      log,
    }),
  );
  const smsSender = options.smsSender ?? createSmsSender(config, { clock, timeoutMs, log, releases });
  const limits = createDeliveryLimits({ config, keyValue, log });
  const attempts = releases.use(createStopStage({ withinMs: stopLimits.attemptsMs, log }));
  const leaseMs = timeoutMs + storeMarginMs;
  const admissionLimits = admissionLimitsOf(config);
  const admission = createAdmission({ limits: admissionLimits, log });
  const endpoints = createEndpointStore({ database, log, disableAfterMs: config.ENDPOINT_DISABLE_AFTER });
  const dispatcher = attempts.use(
    createDispatcher({
      store: createDeliveryStore({
        database,
        schedule: config.CALLBACK_RETRY_SCHEDULE,
        maxRetryAfterMs: admissionLimits.maxRetryAfterMs,
        leaseMs,
      }),
      queues: createDeliveryQueues({ database, leaseMs }),
      admission,
      endpoints,
      ...createChannels({ callbacks, secrets, smsSender, smsLimits: limits.sms, now: () => database.now() }),
      database,
      clock,
      log,
    }),
  );
  const work = releases.use(createStopStage({ withinMs: stopLimits.workMs, log }));
  work.defer(() => dispatcher.stopBacklog());
  work.use(startAdmissionReport({ admission, clock, log }));
  const recoveries = work.use(startRecoveries({ database, clock, log }));
  const targets = createCallbackTargets({ database, keyValue, waitMs: config.REQUEST_WAIT, clock, log });
  await startConsumers({ topics, targets, dispatcher, stage: work });
  work.use(startSealing({ database, clock, log, box, columns: deliverySecrets }));
  work.use(startHousekeeping({ database, clock, log, retentions: deliveryRetentions(config) }));
  const keys = releases.use(createRemoteKeys({ url: config.JWKS_URL, log }));
  work.use(await revokeKeysFrom({ topics, topic: schemaTopics.sessionEnded, log }, keys));
  const verify = createTokenVerifier({
    keys: keys.find,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    now: () => database.now(),
  });
  const readGauges = createGauges({ database, admission, clock, log });
  const testCallbacks = createTestCallbacks({ callbacks, secrets, policy, clock, now: () => database.now() });
  const server = work.use(
    await createSubgraphServer<DeliveryContext>({
      schema: buildSubgraphSchema([
        {
          typeDefs: parse(subgraphSdl('delivery')),
          resolvers: createResolvers({
            dispatcher,
            recoveries,
            testCallbacks,
            secrets,
            limits,
            endpoints: createEndpointResolvers({ endpoints, admission, limiter: limits.redeliveries }),
          }) as never,
        },
      ]),
      log,
      host: config.HOST,
      port: config.PORT,
      portSetting: options.portSetting,
      limits: httpLimitsOf(config),
      failures: () => topics.failures(),
      statusOf,
      engines: {
        required: { database: () => database.ping() },
        reported: {
          topics: () => topics.ping(),
          'key-value': () => keyValue.ping(),
          ...(smsSender.ping && { sms: smsSender.ping }),
        },
      },
      routes: async (app) => {
        app.get(publicKeysPath, (_request, reply) =>
          reply.header('cache-control', 'public, max-age=60').send(publicKeysOf(callbackKeys)),
        );
        app.get('/metrics', async (_request, reply) => reply.type(gaugesType).send(await readGauges()));
        const { DELIVERY_PUBLIC_URL: publicUrl, TWILIO_AUTH_TOKEN: authToken } = config;
        if (config.SMS !== 'twilio' || publicUrl === undefined || authToken === undefined) return;
        const reports = createSmsReports({ database, schedule: config.CALLBACK_RETRY_SCHEDULE });
        await addSmsStatusRoute(app, { publicUrl, authToken, reports, log });
      },
      context: async (request, signal) => {
        let identity: Promise<Identity | null> | undefined;
        const loaders = new Map<string, DeliveryLoaders>();
        const { authorization } = request.headers;
        return {
          signal,
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
  // Test callbacks are disposed before the server, because the server waits for running requests.
  work.use(testCallbacks);
  const owned = releases.move();
  return { ...server, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
