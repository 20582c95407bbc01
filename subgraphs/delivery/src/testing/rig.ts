import { randomInt, randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '@voucher-gateway/platform/clock';
import { type Environment, readConfig } from '@voucher-gateway/platform/config';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Service } from '@voucher-gateway/platform/lifecycle';
import { openTestEnginesWithJobs, type TestEnginesOptions } from '@voucher-gateway/platform/testing/engines';
import { type Answer, postEntities, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import type { Topic } from '@voucher-gateway/platform/topics';
import {
  topics as contracts,
  type ReceiveCode,
  type RequestCode,
  type RequestFailed,
} from '@voucher-gateway/schema/topics';
import { deliverySettings } from '../config.ts';
import { createDeliveryService } from '../server.ts';
import type { SmsSender } from '../sms-sender.ts';
import { openIdentityProvider } from './identity-provider.ts';

export interface RigOptions {
  clock?: Clock;
  smsSender?: SmsSender;
  environment?: Environment;
  keyValue?: Partial<KeyValue>;
  limits?: TestEnginesOptions['limits'];
  /** Whether the service runs from the start. Default: true. */
  started?: boolean;
}

/** The delivery service on engines of its own, with the other services played by the test. */
export async function openRig({
  clock = systemClock,
  smsSender,
  environment,
  keyValue,
  limits,
  started = true,
}: RigOptions = {}) {
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
  const rig = {
    clock,
    log,
    engines,
    identity,
    publish,
    /** Starts the service, or starts it again. */
    async start() {
      service = await start();
    },
    get service() {
      if (!service) throw new Error('the service was not started');
      return service;
    },
    /** A request that was accepted. */
    async request(values: Partial<RequestCode> = {}): Promise<RequestCode> {
      const request = aRequest(values);
      await publish(contracts.requestCode, request);
      return request;
    },
    /** Its code has come. */
    async receive(request: RequestCode, values: Partial<ReceiveCode> = {}): Promise<ReceiveCode> {
      const received = aCode(request, values);
      await publish(contracts.receiveCode, received);
      return received;
    },
    /** It has failed. */
    async fail(request: RequestCode): Promise<RequestFailed> {
      const failure = aFailure(request);
      await publish(contracts.requestFailed, failure);
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
    /** What the user sees of a request's deliveries. */
    async deliveries({ requestId, userId }: { requestId: string; userId: string }): Promise<SeenDelivery[]> {
      const { data, errors } = await rig.entities(
        [{ __typename: 'VoucherRequest', id: requestId }],
        '... on VoucherRequest { deliveries { id channel status url nextAttemptAt attempts { at status durationMs error } } }',
        userId,
      );
      if (errors) throw new Error(JSON.stringify(errors));
      return (data?._entities as { deliveries: SeenDelivery[] }[])[0]?.deliveries ?? [];
    },
    async secret(userId: string): Promise<string> {
      const { data } = await rig.entities(
        [{ __typename: 'User', id: userId }],
        '... on User { callbackSecret }',
        userId,
      );
      return (data?._entities as { callbackSecret: string }[])[0]?.callbackSecret ?? '';
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
  return rig;
}

export interface SeenDelivery {
  id: string;
  channel: string;
  status: string;
  url: string | null;
  nextAttemptAt: string | null;
  attempts: { at: string; status: number | null; durationMs: number; error: string | null }[];
}

export function aRequest(values: Partial<RequestCode> = {}): RequestCode {
  return {
    requestId: randomUUID(),
    userId: randomUUID(),
    phoneNumber: `+84909${randomInt(100_000, 999_999)}`,
    callbackUrl: null,
    requestedAt: '2026-01-31T12:00:00.000Z',
    ...values,
  };
}

export function aCode(
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

export function aFailure({ requestId, userId, phoneNumber, requestedAt }: RequestCode): RequestFailed {
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
