import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { type Answer, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { openServiceHarness } from '@voucher-gateway/platform/testing/service-harness';
import { startIssuer, type TestUser } from '@voucher-gateway/platform/testing/tokens';
import { type ReceiveCode, type RequestAcknowledged, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { voucherSettings } from '../config.ts';
import { voucherMigrations } from '../migrations.ts';
import { createVoucherService } from '../server.ts';

/** Starts the voucher service with a signed-in user, `ann`. The test acts as the other services. */
export async function startTestVoucherService({
  keyValue,
  settings,
}: {
  keyValue?: Partial<KeyValue>;
  settings?: Environment;
} = {}) {
  await using releases = new AsyncDisposableStack();
  const clock = createTestClock();
  const issuer = releases.use(await startIssuer());
  const harness = releases.use(
    await openServiceHarness({
      openEngines: openTestEngines,
      create: createVoucherService,
      config: readConfig(voucherSettings, { PORT: '0', JWKS_URL: issuer.jwksUrl, ...settings }),
      migrations: [voucherMigrations],
      clock,
      keyValue,
    }),
  );
  const { engines, log } = harness;
  const ann = await issuer.user();
  const requested = await harness.collect(schemaTopics.requestCode);
  const graphqlUrl = `${harness.url}/graphql`;
  const post = (query: string, variables: object = {}, user: TestUser | null = ann) =>
    postGraphql(graphqlUrl, query, variables, user?.token);
  const { query: database } = engines.database;
  /** Waits until the service has consumed all published messages. */
  const consumed = () =>
    expect
      .poll(async () => {
        const { rows: unconsumed } = await database.execute(sql`
            select topic from platform.topic_message where topic in ('receive-code', 'request-failed') group by topic
            having max(id) > coalesce((select position from voucher.consumed_position as c where c.topic = platform.topic_message.topic), 0)`);
        return unconsumed.length;
      })
      .toBe(0);
  const owned = releases.move();
  return {
    clock,
    log,
    engines,
    issuer,
    ann,
    post,
    url: harness.url,
    graphqlUrl,
    rows: async (table: string) => (await database.execute(sql.raw(`select * from ${table}`))).rows,
    request: (input: object = {}, user?: TestUser) =>
      post(
        `mutation ($input: RequestVoucherInput!) { requestVoucher(input: $input) { id status message phoneNumber requestedAt expectedBy cursor failureReason voucher { code } } }`,
        { input },
        user,
      ),
    /** Waits for `count` messages in `request-code`, and returns the messages so far. */
    requests: requested.atLeast,
    /** Publishes codes, and waits until the last code has been consumed. */
    async receive(...values: Partial<ReceiveCode>[]) {
      const at = new Date(clock.now()).toISOString();
      const codes: ReceiveCode[] = values.map((value) => ({
        id: randomUUID(),
        requestId: randomUUID(),
        code: `CODE-${randomUUID().slice(0, 8)}`,
        phoneNumber: ann.phoneNumber,
        status: 'SUCCESS',
        requestedAt: at,
        receivedAt: at,
        owner: { id: ann.userId },
        ...value,
      }));
      await harness.publish(schemaTopics.receiveCode, ...codes);
      await consumed();
      return codes;
    },
    /** Publishes a failure, and waits until it has been consumed. */
    async fail(value: { requestId: string; reason?: 'PROVIDER_REFUSED' | 'PROVIDER_SILENT' }) {
      const at = new Date(clock.now()).toISOString();
      await harness.publish(schemaTopics.requestFailed, {
        reason: 'PROVIDER_SILENT',
        message: 'The voucher provider did not send the code in time.',
        phoneNumber: ann.phoneNumber,
        requestedAt: at,
        failedAt: at,
        owner: { id: ann.userId },
        ...value,
      });
      await consumed();
    },
    /**
     * Publishes that the provider has acknowledged a request. The service may handle this message before or after the
     * request's outcome, because separate consumers read the two topics.
     */
    acknowledge: (value: Pick<RequestAcknowledged, 'requestId' | 'askedAt' | 'acknowledgedAt'>) =>
      harness.publish(schemaTopics.requestAcknowledged, {
        phoneNumber: ann.phoneNumber,
        owner: { id: ann.userId },
        ...value,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export const codesOf = ({ errors }: Answer) => errors?.map((error) => error.extensions?.code);

export const listVouchers = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: VoucherFilter, $phoneNumber: String) {
  purchasedVouchers(first: $first, after: $after, last: $last, before: $before, filter: $filter, phoneNumber: $phoneNumber) {
    edges { cursor node { id } } nodes { code } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } storedThrough { topic partition position }
  }
}`;
