import { buildSubgraphSchema } from '@apollo/subgraph';
import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { startHousekeeping } from '@voucher-gateway/platform/database/housekeeping';
import { callbackUrlPolicy } from '@voucher-gateway/platform/egress/settings';
import { createSubgraphServer, type SubgraphService } from '@voucher-gateway/platform/graphql/subgraph-server';
import { httpLimitsOf } from '@voucher-gateway/platform/http/server';
import { createRemoteKeys, revokeKeysFrom } from '@voucher-gateway/platform/identity/remote-keys';
import { createTokenVerifier } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { allowWithoutStore, createRateLimiter } from '@voucher-gateway/platform/key-value/rate-limiter';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createStopStage, stopLimits } from '@voucher-gateway/platform/process/stop-stage';
import type { Topics } from '@voucher-gateway/platform/topics';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { subgraphSdl } from '@voucher-gateway/schema/sdl';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { parse } from 'graphql';
import type { VoucherConfig } from './config.ts';
import { consumeAcknowledgements } from './consume-acknowledgements.ts';
import { consumeOutcomes } from './consume-outcomes.ts';
import { createLoaders } from './loaders.ts';
import { voucherMigrations } from './migrations.ts';
import { createRequestVoucher } from './request-voucher.ts';
import { createResolvers, type VoucherContext } from './resolvers.ts';
import { voucherRetentions } from './retention.ts';
import { startSweep } from './sweep.ts';

export interface VoucherServiceOptions {
  config: VoucherConfig;
  log: Log;
  clock: Clock;
  database: Database;
  topics: Topics;
  keyValue: KeyValue;
}

/** Starts the voucher subgraph at `/graphql`. */
export async function createVoucherService({
  config,
  log,
  clock,
  database,
  topics,
  keyValue,
}: VoucherServiceOptions): Promise<SubgraphService> {
  await using releases = new AsyncDisposableStack();
  await database.migrate(voucherMigrations);
  const requestVoucher = createRequestVoucher({
    database,
    topics,
    keyValue,
    log,
    region: config.DEFAULT_REGION,
    keyLifeMs: config.IDEMPOTENCY_KEY_RETENTION,
    callbackUrls: callbackUrlPolicy(config),
  });
  if (config.RATE_LIMITS === 'off') log.warn({}, 'RATE_LIMITS is off: voucher requests are not limited');
  // While the key-value store is unavailable, voucher requests are accepted without a limit.
  const limiter = allowWithoutStore(
    createRateLimiter({
      keyValue,
      name: 'voucher-requests-per-user',
      limit: config.RATE_LIMITS === 'off' ? null : config.LIMIT_VOUCHERS_PER_USER,
      message: 'Too many voucher requests',
    }),
    log,
  );
  const keys = releases.use(createRemoteKeys({ url: config.JWKS_URL, log }));
  const work = releases.use(createStopStage({ withinMs: stopLimits.workMs, log }));
  work.use(await revokeKeysFrom({ topics, topic: schemaTopics.sessionEnded, log }, keys));
  const verify = createTokenVerifier({
    keys: keys.find,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    now: database.now,
  });
  await consumeOutcomes({ database, topics, stage: work, log });
  await consumeAcknowledgements({ database, topics, stage: work });
  work.use(startSweep({ database, topics, clock, log, giveUpAfterMs: config.GIVE_UP_AFTER }));
  work.use(startHousekeeping({ database, clock, log, retentions: voucherRetentions }));
  const server = work.use(
    await createSubgraphServer<VoucherContext>({
      schema: buildSubgraphSchema([
        {
          typeDefs: parse(subgraphSdl('voucher')),
          resolvers: createResolvers({ database, requestVoucher, limiter, region: config.DEFAULT_REGION }) as never,
        },
      ]),
      log,
      host: config.HOST,
      port: config.PORT,
      limits: httpLimitsOf(config),
      failures: topics.failures,
      statusOf,
      engines: {
        required: { database: database.ping },
        reported: { topics: topics.ping, 'key-value': keyValue.ping },
      },
      context: async ({ headers }, signal) => {
        const identity = headers.authorization ? await verify(headers.authorization) : null;
        return { identity, signal, ...createLoaders(database, identity) };
      },
    }),
  );
  const owned = releases.move();
  return { ...server, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
