import { isUuid } from '@voucher-gateway/platform/database/columns';
import { CodedError } from '@voucher-gateway/platform/errors';
import { dateTimeScalar } from '@voucher-gateway/platform/graphql/date-time';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Dispatcher } from '../attempts/dispatcher.ts';
import { maxAttempts } from '../attempts/old-attempts.ts';
import type { Recoveries } from '../attempts/recovery.ts';
import type { CallbackSecrets } from '../channels/callback/secrets.ts';
import type { TestCallback, TestCallbacks } from '../channels/callback/test-callbacks.ts';
import type { DeliveryLimits } from '../limits.ts';
import type { Delivery } from '../tables.ts';
import { type DeliveryContext, requireIdentity } from './context.ts';
import type { createEndpointResolvers } from './endpoint-resolvers.ts';
import type { DeliveryLoaders } from './loaders.ts';
import { createRecoveryMutation } from './recovery-mutation.ts';

/** The default of `last` in the schema. */
const defaultAttempts = 10;

interface Reference {
  id: string;
}

export function createResolvers({
  dispatcher,
  recoveries,
  testCallbacks,
  secrets,
  limits,
  endpoints,
}: {
  dispatcher: Pick<Dispatcher, 'redeliver'>;
  recoveries: Pick<Recoveries, 'begin'>;
  testCallbacks: TestCallbacks;
  secrets: CallbackSecrets;
  limits: DeliveryLimits;
  endpoints: ReturnType<typeof createEndpointResolvers>;
}) {
  return {
    DateTime: dateTimeScalar,
    Mutation: {
      async redeliver(_: unknown, { deliveryId }: { deliveryId: string }, context: DeliveryContext): Promise<Delivery> {
        const { userId } = await requireIdentity(context);
        await limits.redeliveries.count(userId);
        const found = await context.loaders(userId).byId.load(deliveryId);
        if (found?.channel === 'SMS') await limits.sms.check(found);
        const restarted = isUuid(deliveryId) ? await dispatcher.redeliver(deliveryId, userId) : null;
        if (!restarted) throw new CodedError<PublicErrorCode>('NOT_FOUND', 'You have no delivery with this id.');
        return restarted;
      },
      async rotateCallbackSecret(_: unknown, _args: unknown, context: DeliveryContext): Promise<string> {
        return secrets.rotate((await requireIdentity(context)).userId);
      },
      enableEndpoint: endpoints.enableEndpoint,
      recoverDeliveries: createRecoveryMutation({ recoveries, limiter: limits.recoveries }),
      async sendTestCallback(_: unknown, { url }: { url: string }, context: DeliveryContext): Promise<TestCallback> {
        const { userId } = await requireIdentity(context);
        await limits.testCallbacks.count(userId);
        return testCallbacks.send(url, { userId, signal: context.signal });
      },
    },
    Voucher: {
      __resolveReference: ({ id }: Reference) => ({ id }),
      deliveries: async ({ id }: Reference, _args: unknown, context: DeliveryContext) =>
        (await ownLoaders(context))?.byVoucher.load(id) ?? [],
    },
    VoucherRequest: {
      __resolveReference: ({ id }: Reference) => ({ id }),
      deliveries: async ({ id }: Reference, _args: unknown, context: DeliveryContext) =>
        (await ownLoaders(context))?.byRequest.load(id) ?? [],
    },
    User: {
      __resolveReference: ({ id }: Reference) => ({ id }),
      async callbackSecret({ id }: Reference, _args: unknown, context: DeliveryContext): Promise<string | null> {
        const identity = await context.identity();
        return identity?.userId === id ? secrets.readCurrent(id) : null;
      },
      endpoints: endpoints.endpoints,
    },
    Endpoint: endpoints.Endpoint,
    Delivery: {
      __resolveReference: async ({ id }: Reference, context: DeliveryContext) =>
        (await ownLoaders(context))?.byId.load(id) ?? null,
      // No attempt is due while the SMS provider's report is awaited.
      nextAttemptAt: ({ nextAttemptAt, acceptedTurn }: Delivery) => (acceptedTurn === null ? nextAttemptAt : null),
      attempts: async ({ id, userId }: Delivery, { last }: { last?: number | null }, context: DeliveryContext) =>
        context.loaders(userId).attempts.load({ deliveryId: id, count: parseCount(last) }),
    },
  };
}

/** Returns the number of attempts to read. Throws BAD_USER_INPUT if `last` is out of range. */
function parseCount(last: number | null | undefined): number {
  const count = last ?? defaultAttempts;
  if (count >= 0 && count <= maxAttempts) return count;
  const message = `last is a number from 0 to ${maxAttempts}.`;
  throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', message, { details: { argument: 'last' } });
}

async function ownLoaders(context: DeliveryContext): Promise<DeliveryLoaders | null> {
  const identity = await context.identity();
  return identity && context.loaders(identity.userId);
}
