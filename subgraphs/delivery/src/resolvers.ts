import { isUuid } from '@voucher-gateway/platform/database/columns';
import { CodedError } from '@voucher-gateway/platform/errors';
import { dateTimeScalar } from '@voucher-gateway/platform/graphql/date-time';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { RateLimiter } from '@voucher-gateway/platform/key-value/rate-limiter';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Dispatcher } from './attempts/dispatcher.ts';
import type { CallbackSecrets } from './channels/callback/secrets.ts';
import type { DeliveryLoaders } from './loaders.ts';
import type { Delivery } from './tables.ts';

export interface DeliveryContext {
  /** Verifies the caller's token; null for an anonymous request. Throws UNAUTHENTICATED if the token is invalid. */
  identity(): Promise<Identity | null>;
  /** Returns the loaders of a user's own rows. */
  loaders(userId: string): DeliveryLoaders;
}

interface Reference {
  id: string;
}

export function createResolvers({
  dispatcher,
  secrets,
  limiter,
}: {
  dispatcher: Pick<Dispatcher, 'redeliver'>;
  secrets: CallbackSecrets;
  /** Counts a user's redeliveries. */
  limiter: RateLimiter;
}) {
  return {
    DateTime: dateTimeScalar,
    Mutation: {
      async redeliver(_: unknown, { deliveryId }: { deliveryId: string }, context: DeliveryContext): Promise<Delivery> {
        const { userId } = await requireIdentity(context);
        await limiter.count(userId);
        const restarted = isUuid(deliveryId) ? await dispatcher.redeliver(deliveryId, userId) : null;
        if (!restarted) throw new CodedError<PublicErrorCode>('NOT_FOUND', 'You have no delivery with this id.');
        return restarted;
      },
      async rotateCallbackSecret(_: unknown, _args: unknown, context: DeliveryContext): Promise<string> {
        return secrets.rotate((await requireIdentity(context)).userId);
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
    },
    Delivery: {
      __resolveReference: async ({ id }: Reference, context: DeliveryContext) =>
        (await ownLoaders(context))?.byId.load(id) ?? null,
      attempts: async ({ id, userId }: Delivery, _args: unknown, context: DeliveryContext) =>
        context.loaders(userId).attempts.load(id),
    },
  };
}

async function requireIdentity(context: DeliveryContext): Promise<Identity> {
  const identity = await context.identity();
  if (!identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in first.');
  return identity;
}

async function ownLoaders(context: DeliveryContext): Promise<DeliveryLoaders | null> {
  const identity = await context.identity();
  return identity && context.loaders(identity.userId);
}
