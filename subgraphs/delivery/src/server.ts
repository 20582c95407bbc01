import { buildSubgraphSchema } from '@apollo/subgraph';
import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { startHousekeeping } from '@voucher-gateway/platform/database/housekeeping';
import { createSubgraphServer, type SubgraphService } from '@voucher-gateway/platform/graphql/subgraph-server';
import { gaugesType } from '@voucher-gateway/platform/http/gauges';
import { httpLimitsOf } from '@voucher-gateway/platform/http/server';
import { createRemoteKeys, revokeKeysFrom } from '@voucher-gateway/platform/identity/remote-keys';
import { createTokenVerifier, type TokenVerifier } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createStopStage, type StopStage, stopLimits } from '@voucher-gateway/platform/process/stop-stage';
import { startSealing } from '@voucher-gateway/platform/secrets/seal-secrets';
import { assertReadable } from '@voucher-gateway/platform/secrets/sealed-columns';
import type { SecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import type { Topics } from '@voucher-gateway/platform/topics';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { subgraphSdl } from '@voucher-gateway/schema/sdl';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import type { FastifyInstance } from 'fastify';
import { parse } from 'graphql';
import { createDeliveryStore } from './attempts/delivery-store.ts';
import { createDispatcher } from './attempts/dispatcher.ts';
import { createDeliveryQueues } from './attempts/due-deliveries.ts';
import { startRecoveries } from './attempts/recovery.ts';
import { createSmsReports } from './attempts/reports.ts';
import { publicKeysOf, publicKeysPath } from './channels/callback/public-keys.ts';
import { createTestCallbacks } from './channels/callback/test-callbacks.ts';
import { createChannels } from './channels/channels.ts';
import { createSmsSender } from './channels/sms/create-sender.ts';
import type { SmsSender } from './channels/sms/sms.ts';
import { addSmsStatusRoute } from './channels/sms/status-route.ts';
import type { DeliveryConfig } from './config.ts';
import { startConsumers } from './consumers.ts';
import { type Admission, createAdmission } from './endpoints/admission.ts';
import { startAdmissionReport } from './endpoints/admission-report.ts';
import { createEndpointStore } from './endpoints/endpoint-store.ts';
import { admissionLimitsOf } from './endpoints/settings.ts';
import { createGauges } from './gauges.ts';
import { createContexts, type DeliveryContext } from './graphql/context.ts';
import { createEndpointResolvers } from './graphql/endpoint-resolvers.ts';
import { createResolvers } from './graphql/resolvers.ts';
import { createDeliveryLimits } from './limits.ts';
import { deliveryMigrations } from './migrations.ts';
import { createCallbackTargets } from './request-targets.ts';
import { deliveryRetentions } from './retention.ts';
import { type Callbacks, startCallbacks } from './start-callbacks.ts';
import { deliverySecrets } from './tables.ts';

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

/** Time for storing an attempt after its time-out, in milliseconds. */
const storeMarginMs = 5_000;

/** Starts the delivery subgraph, which sends signed callbacks and SMS, and serves GraphQL at `/graphql`. */
export async function createDeliveryService(options: DeliveryServiceOptions): Promise<SubgraphService> {
  const { config, log, clock, database, topics, keyValue, secrets: box } = options;
  await using releases = new AsyncDisposableStack();
  await database.migrate(deliveryMigrations);
  await assertReadable(database, box, deliverySecrets);

  const callbacks = await startCallbacks({ config, database, box, clock, log, releases });
  const { secrets, policy } = callbacks;
  const timeoutMs = config.CALLBACK_TIMEOUT;
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
      ...createChannels({
        callbacks: callbacks.sender,
        secrets,
        smsSender,
        smsLimits: limits.sms,
        now: () => database.now(),
      }),
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
  const verify = await startVerifier(options, { releases, work });
  const testCallbacks = createTestCallbacks({
    callbacks: callbacks.sender,
    secrets,
    policy,
    clock,
    now: () => database.now(),
  });
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
      routes: (app) => addRoutes(app, options, { admission, keys: callbacks.keys }),
      context: createContexts({ verify, database }),
    }),
  );
  // Test callbacks are aborted before the server stops, because the server waits for the requests that run them.
  work.use(testCallbacks);
  const owned = releases.move();
  return { ...server, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Creates the verifier of tokens, which uses the public keys of the user service. */
async function startVerifier(
  { config, database, topics, log }: DeliveryServiceOptions,
  { releases, work }: { releases: Pick<AsyncDisposableStack, 'use'>; work: Pick<StopStage, 'use'> },
): Promise<TokenVerifier> {
  const keys = releases.use(createRemoteKeys({ url: config.JWKS_URL, log }));
  work.use(await revokeKeysFrom({ topics, topic: schemaTopics.sessionEnded, log }, keys));
  return createTokenVerifier({
    keys: keys.find,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    now: () => database.now(),
  });
}

/** Adds the routes for the public keys of callbacks, for the gauges, and for the SMS provider's status callbacks. */
async function addRoutes(
  app: FastifyInstance,
  { config, database, clock, log }: DeliveryServiceOptions,
  { admission, keys }: { admission: Admission; keys: Callbacks['keys'] },
): Promise<void> {
  const readGauges = createGauges({ database, admission, clock, log });
  app.get(publicKeysPath, (_request, reply) =>
    reply.header('cache-control', 'public, max-age=60').send(publicKeysOf(keys)),
  );
  app.get('/metrics', async (_request, reply) => reply.type(gaugesType).send(await readGauges()));
  const { DELIVERY_PUBLIC_URL: publicUrl, TWILIO_AUTH_TOKEN: authToken } = config;
  if (config.SMS !== 'twilio' || publicUrl === undefined || authToken === undefined) return;
  const reports = createSmsReports({ database, schedule: config.CALLBACK_RETRY_SCHEDULE });
  await addSmsStatusRoute(app, { publicUrl, authToken, reports, log });
}
