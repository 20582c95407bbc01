import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { buildSubgraphSchema } from '@apollo/subgraph';
import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { startHousekeeping } from '@voucher-gateway/platform/database/housekeeping';
import { createSubgraphServer, type SubgraphService } from '@voucher-gateway/platform/graphql/subgraph-server';
import { groupAddress } from '@voucher-gateway/platform/http/client-address';
import { httpLimitsOf } from '@voucher-gateway/platform/http/server';
import { createSigningKeys } from '@voucher-gateway/platform/identity/signing-keys';
import { createTokenVerifier, type Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createStopStage, stopLimits } from '@voucher-gateway/platform/process/stop-stage';
import { startSealing } from '@voucher-gateway/platform/secrets/seal-secrets';
import { assertReadable } from '@voucher-gateway/platform/secrets/sealed-columns';
import type { SecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import type { Topics } from '@voucher-gateway/platform/topics';
import { followTopic } from '@voucher-gateway/platform/topics/follow';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { subgraphSdl } from '@voucher-gateway/schema/sdl';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import DataLoader from 'dataloader';
import { parse } from 'graphql';
import { createAttemptLimits } from './attempt-limits.ts';
import type { UserConfig } from './config.ts';
import { userMigrations } from './migrations.ts';
import { createPasswords } from './passwords.ts';
import { createResolvers, type UserContext } from './resolvers.ts';
import { userRetentions } from './retention.ts';
import { createSessions } from './sessions.ts';
import { signingKey, userSecrets } from './tables.ts';
import { createUsers } from './users.ts';

export interface UserServiceOptions {
  config: UserConfig;
  log: Log;
  clock: Clock;
  database: Database;
  topics: Topics;
  keyValue: KeyValue;
  secrets: SecretBox;
}

/** Starts the user subgraph at `/graphql`, with its public keys at `/.well-known/jwks.json`. */
export async function createUserService({
  config,
  log,
  clock,
  database,
  topics,
  keyValue,
  secrets,
}: UserServiceOptions): Promise<SubgraphService> {
  await using releases = new AsyncDisposableStack();
  await database.migrate(userMigrations);
  await assertReadable(database, secrets, userSecrets);
  const keys = releases.use(
    await createSigningKeys({
      database,
      table: signingKey,
      secrets,
      clock,
      log,
      rotateAfterMs: config.KEY_ROTATION,
      publishAfterMs: config.SESSION_MAX,
    }),
  );
  if (config.RATE_LIMITS === 'off') log.warn({}, 'RATE_LIMITS is off: sign-ins and sign-ups are not limited');
  const users = createUsers({
    database,
    passwords: await createPasswords(),
    limits: createAttemptLimits({ config, keyValue, log }),
    region: config.DEFAULT_REGION,
  });
  const sessions = createSessions({ config, database, topics, keyValue, keys });
  const work = releases.use(createStopStage({ withinMs: stopLimits.workMs, log }));
  work.use(startSealing({ database, clock, log, box: secrets, columns: userSecrets }));
  work.use(startHousekeeping({ database, clock, log, retentions: userRetentions }));
  // When another process has revoked a key, this process stops signing and verifying with that key.
  work.use(
    await followTopic(topics, {
      topic: schemaTopics.sessionEnded,
      log,
      onMessage({ value }) {
        if ('kid' in value)
          keys.drop(value.kid).catch((error: unknown) => log.warn({ error }, 'the signing keys could not be read'));
      },
    }),
  );
  const verify = createTokenVerifier({
    keys: keys.verify,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    now: database.now,
  });
  const server = work.use(
    await createSubgraphServer<UserContext>({
      schema: buildSubgraphSchema([
        { typeDefs: parse(subgraphSdl('user')), resolvers: createResolvers({ users, sessions }) as never },
      ]),
      log,
      host: config.HOST,
      port: config.PORT,
      limits: httpLimitsOf(config),
      failures: topics.failures,
      statusOf,
      engines: {
        required: { database: database.ping, 'key-value': keyValue.ping },
        reported: { topics: topics.ping },
      },
      context: async (request, signal) => {
        // The token is verified only when a resolver needs it. Otherwise a client with an expired token could not sign
        // in.
        let identity: Promise<Identity | null> | undefined;
        const { authorization } = request.headers;
        return {
          identity: () => (identity ??= authorization ? verify(authorization) : Promise.resolve(null)),
          users: new DataLoader((ids) => users.byIds(ids)),
          caller: { address: groupAddress(forwardedAddress(request)), signal },
        };
      },
      routes: (app) => {
        app.get('/.well-known/jwks.json', (_request, reply) =>
          reply.header('cache-control', 'public, max-age=60').send(keys.jwks),
        );
      },
    }),
  );
  const owned = releases.move();
  return {
    ...server,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Returns the client's address: the first entry of `x-forwarded-for`, because proxies after the gateway append further
 * entries.
 */
function forwardedAddress({ headers, ip }: { headers: IncomingHttpHeaders; ip: string }): string {
  const [client = ''] = String(headers['x-forwarded-for'] ?? '').split(',');
  return isIP(client.trim()) ? client.trim() : ip;
}
