import { createTestClock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { type Answer, postEntities, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { openServiceHarness } from '@voucher-gateway/platform/testing/service-harness';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import type { JSONWebKeySet } from 'jose';
import { userSettings } from '../config.ts';
import { userMigrations } from '../migrations.ts';
import { createUserService } from '../server.ts';

/** Starts the user service. The test acts as the clients, and reads the messages that the service publishes. */
export async function startTestUserService({
  keyValue,
  changeDatabase = () => ({}),
  environment,
}: {
  keyValue?: Partial<KeyValue>;
  /** Returns the methods that replace methods of the database. */
  changeDatabase?: (database: Database) => Partial<Database>;
  environment?: Environment;
} = {}) {
  await using releases = new AsyncDisposableStack();
  const clock = createTestClock();
  const harness = releases.use(
    await openServiceHarness({
      openEngines: openTestEngines,
      create: (options: Parameters<typeof createUserService>[0]) => {
        const { database } = options;
        // The database is the prototype of `changed`. A copy of the database would lose the getter `query`.
        const changed = Object.assign(Object.create(database), changeDatabase(database));
        return createUserService({ ...options, database: changed });
      },
      config: readConfig(userSettings, { PORT: '0', ...environment }),
      migrations: [userMigrations],
      clock,
      keyValue,
    }),
  );
  const { engines, log, service, startAnother } = harness;
  const ended = await harness.collect(schemaTopics.sessionEnded);
  const url = `${service.url}/graphql`;
  const post = (query: string, variables?: object, token?: string) => postGraphql(url, query, variables, token);
  const owned = releases.move();
  return {
    clock,
    log,
    engines,
    service,
    url: service.url,
    startAnother,
    post,
    /** The ended sessions that the service has published so far. */
    get ended() {
      return ended.values;
    },
    /** Waits for `count` ended sessions, and returns all ended sessions so far. */
    async whenEnded(count: number) {
      await ended.atLeast(count);
      return ended.values;
    },
    signUp: (input: object = {}, at: string = service.url) =>
      postGraphql(
        `${at}/graphql`,
        'mutation ($input: SignUpInput!) { signUp(input: $input) { token expiresAt user { id username phoneNumber } } }',
        { input: { username: 'ann', phoneNumber: '0909123456', password: '1234567', ...input } },
      ),
    signIn: (input: object = {}, token?: string) =>
      post(
        'mutation ($input: SignInInput!) { signIn(input: $input) { token user { id } } }',
        { input: { username: 'ann', password: '1234567', ...input } },
        token,
      ),
    entities: (representations: object[], token?: string) =>
      postEntities(url, representations, '... on User { id username phoneNumber }', token),
    jwks: async () => (await (await fetch(`${service.url}/.well-known/jwks.json`)).json()) as JSONWebKeySet,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export const codeOf = ({ errors }: Answer) => errors?.[0]?.extensions?.code;
