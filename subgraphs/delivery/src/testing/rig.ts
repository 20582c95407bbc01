import { randomInt, randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '@voucher-gateway/platform/async/clock';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import type { Service } from '@voucher-gateway/platform/process/lifecycle';
import { openTestEnginesWithJobs, type TestEnginesOptions } from '@voucher-gateway/platform/testing/engines';
import { type Answer, postEntities, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import type { Topic } from '@voucher-gateway/platform/topics';
import {
  type ReceiveCode,
  type RequestCode,
  type RequestFailed,
  topics as schemaTopics,
} from '@voucher-gateway/schema/topics';
import type { SmsSender } from '../channels/sms.ts';
import { deliverySettings } from '../config.ts';
import { createDeliveryService } from '../server.ts';
import { openIdentityProvider } from './identity-provider.ts';

export interface HarnessOptions {
  clock?: Clock;
  smsSender?: SmsSender;
  environment?: Environment;
  keyValue?: Partial<KeyValue>;
  limits?: TestEnginesOptions['limits'];
  /** Whether the service runs from the start. Default: true. */
  started?: boolean;
}

/** Opens the delivery service on its own engines. The test plays the other services. */
export async function openHarness({
  clock = systemClock,
  smsSender,
  environment,
  keyValue,
  limits,
  started = true,
}: HarnessOptions = {}) {
  const resources = new AsyncDisposableStack();
  const log = createMemoryLog();
  const identity = resources.use(await openIdentityProvider());
  const engines = resources.use(await openTestEnginesWithJobs({ clock, log, limits }));
  const config = readConfig(deliverySettings, { PORT: '0', JWKS_URL: identity.jwksUrl, ...environment });
  const start = async (): Promise<Service> =>
    resources.use(
      await createDeliveryService({
        ...engines,
        ...(keyValue && { keyValue: { ...engines.keyValue, ...keyValue } }),
        config,
        log,
        smsSender,
      }),
    );
  let service = started ? await start() : null;
  const graphqlUrl = () => `${service?.url}/graphql`;
  const publish = <Value>(topic: Topic<Value>, value: Value) =>
    engines.database.transaction((tx) => engines.topics.publish(tx, topic, value));
  const harness = {
    clock,
    log,
    engines,
    identity,
    publish,
    /** Starts or restarts the service. */
    async start() {
      service = await start();
    },
    get service() {
      if (!service) throw new Error('the service was not started');
      return service;
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
      postGraphql(graphqlUrl(), query, variables, userId === undefined ? undefined : await identity.signIn(userId)),
    entities: async (references: object[], selection: string, userId?: string): Promise<Answer> =>
      postEntities(
        graphqlUrl(),
        references,
        selection,
        userId === undefined ? undefined : await identity.signIn(userId),
      ),
    /** Returns a request's deliveries as the user sees them. */
    async deliveries({ requestId, userId }: { requestId: string; userId: string }): Promise<SeenDelivery[]> {
      const { data, errors } = await harness.entities(
        [{ __typename: 'VoucherRequest', id: requestId }],
        '... on VoucherRequest { deliveries { id channel status url nextAttemptAt attempts { at status durationMs error } } }',
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
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
  return harness;
}

export interface SeenDelivery {
  id: string;
  channel: string;
  status: string;
  url: string | null;
  nextAttemptAt: string | null;
  attempts: { at: string; status: number | null; durationMs: number; error: string | null }[];
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
