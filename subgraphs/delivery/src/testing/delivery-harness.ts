import { randomInt, randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '@voucher-gateway/platform/async/clock';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEngines, type TestEnginesOptions } from '@voucher-gateway/platform/testing/engines';
import { type Answer, postEntities, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { openServiceHarness } from '@voucher-gateway/platform/testing/service-harness';
import { startIssuer } from '@voucher-gateway/platform/testing/tokens';
import {
  type ReceiveCode,
  type RequestCode,
  type RequestFailed,
  topics as schemaTopics,
} from '@voucher-gateway/schema/topics';
import type { SmsSender } from '../channels/sms/sms.ts';
import { deliverySettings, requireSms } from '../config.ts';
import { deliveryMigrations } from '../migrations.ts';
import { createDeliveryService } from '../server.ts';

export interface DeliveryHarnessOptions {
  clock?: Clock;
  smsSender?: SmsSender;
  environment?: Environment;
  keyValue?: Partial<KeyValue>;
  limits?: TestEnginesOptions['limits'];
  /** Whether the service runs from the start. Default: true. */
  started?: boolean;
}

/** Opens the delivery service on embedded engines. The test acts as the other services. */
export async function openDeliveryHarness({
  clock = systemClock,
  smsSender,
  environment,
  ...options
}: DeliveryHarnessOptions = {}) {
  await using releases = new AsyncDisposableStack();
  const issuer = releases.use(await startIssuer());
  const running = releases.use(
    await openServiceHarness({
      openEngines: openTestEngines,
      create: (collaborators) => createDeliveryService({ ...collaborators, smsSender }),
      config: readConfig(deliverySettings.superRefine(requireSms), {
        PORT: '0',
        JWKS_URL: issuer.jwksUrl,
        ...environment,
      }),
      migrations: [deliveryMigrations],
      clock,
      ...options,
    }),
  );
  const { engines, log, publish, start } = running;
  /** Returns an authorization header for a user. */
  const signIn = async (userId: string) => `Bearer ${(await issuer.user({ userId, now: clock.now() })).token}`;
  const owned = releases.move();
  const harness = {
    clock,
    log,
    engines,
    publish,
    signIn,
    /** Starts the service, or starts it again after the test has stopped it. */
    start,
    get service() {
      return running.service;
    },
    get url() {
      return running.url;
    },
    /** Publishes an accepted request. */
    async request(values: Partial<RequestCode> = {}): Promise<RequestCode> {
      const request = buildRequest(values);
      await publish(schemaTopics.requestCode, request);
      return request;
    },
    /** Publishes the code of a request. */
    async receive(request: RequestCode, values: Partial<ReceiveCode> = {}): Promise<ReceiveCode> {
      const received = buildCode(request, values);
      await publish(schemaTopics.receiveCode, received);
      return received;
    },
    /** Publishes the failure of a request. */
    async fail(request: RequestCode): Promise<RequestFailed> {
      const failure = buildFailure(request);
      await publish(schemaTopics.requestFailed, failure);
      return failure;
    },
    post: async (query: string, variables: object, userId?: string): Promise<Answer> =>
      postGraphql(`${running.url}/graphql`, query, variables, userId === undefined ? undefined : await signIn(userId)),
    entities: async (references: object[], selection: string, userId?: string): Promise<Answer> =>
      postEntities(
        `${running.url}/graphql`,
        references,
        selection,
        userId === undefined ? undefined : await signIn(userId),
      ),
    /** Returns a request's deliveries as the user sees them. */
    async deliveries({ requestId, userId }: { requestId: string; userId: string }): Promise<SeenDelivery[]> {
      const { data, errors } = await harness.entities(
        [{ __typename: 'VoucherRequest', id: requestId }],
        '... on VoucherRequest { deliveries { id channel status url nextAttemptAt attempts(last: 100) { at status durationMs error response } } }',
        userId,
      );
      if (errors) throw new Error(JSON.stringify(errors));
      return (data?._entities as { deliveries: SeenDelivery[] }[])[0]?.deliveries ?? [];
    },
    async secret(userId: string): Promise<string> {
      const { data } = await harness.entities(
        [{ __typename: 'User', id: userId }],
        '... on User { callbackSecret }',
        userId,
      );
      return (data?._entities as { callbackSecret: string }[])[0]?.callbackSecret ?? '';
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return harness;
}

export interface SeenDelivery {
  id: string;
  channel: string;
  status: string;
  url: string | null;
  nextAttemptAt: string | null;
  attempts: { at: string; status: number | null; durationMs: number; error: string | null; response: string | null }[];
}

export function buildRequest(values: Partial<RequestCode> = {}): RequestCode {
  return {
    requestId: randomUUID(),
    userId: randomUUID(),
    phoneNumber: `+84909${randomInt(100_000, 999_999)}`,
    callbackUrl: null,
    requestedAt: '2026-01-31T12:00:00.000Z',
    ...values,
  };
}

export function buildCode(
  { requestId, userId, phoneNumber, requestedAt }: RequestCode,
  values: Partial<ReceiveCode> = {},
): ReceiveCode {
  return {
    id: randomUUID(),
    requestId,
    code: `CODE-${randomInt(100_000_000, 999_999_999)}`,
    phoneNumber,
    status: 'SUCCESS',
    requestedAt,
    receivedAt: '2026-01-31T12:00:02.000Z',
    owner: { id: userId },
    ...values,
  };
}

export function buildFailure({ requestId, userId, phoneNumber, requestedAt }: RequestCode): RequestFailed {
  return {
    requestId,
    phoneNumber,
    reason: 'PROVIDER_SILENT',
    message: 'The provider did not answer.',
    requestedAt,
    failedAt: '2026-01-31T13:00:00.000Z',
    owner: { id: userId },
  };
}
