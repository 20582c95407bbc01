import type { Database } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { SubgraphServerOptions } from '@voucher-gateway/platform/graphql/subgraph-server';
import type { Identity, TokenVerifier } from '@voucher-gateway/platform/identity/token-verifier';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { createDeliveryLoaders, type DeliveryLoaders } from './loaders.ts';

export interface DeliveryContext {
  /** Verifies the caller's token; null for an anonymous request. Throws UNAUTHENTICATED if the token is invalid. */
  identity(): Promise<Identity | null>;
  /** Returns the loaders of a user's own rows. */
  loaders(userId: string): DeliveryLoaders;
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal;
}

/** Returns a function that creates the context of each request. */
export function createContexts({
  verify,
  database,
}: {
  verify: TokenVerifier;
  database: Database;
}): SubgraphServerOptions<DeliveryContext>['context'] {
  return async (request, signal) => {
    let identity: Promise<Identity | null> | undefined;
    const loaders = new Map<string, DeliveryLoaders>();
    const { authorization } = request.headers;
    return {
      signal,
      identity: () => {
        identity ??= authorization ? verify(authorization) : Promise.resolve(null);
        return identity;
      },
      loaders: (userId) => {
        const own = loaders.get(userId) ?? createDeliveryLoaders(database, userId);
        loaders.set(userId, own);
        return own;
      },
    };
  };
}

/** Returns the signed-in user. Throws UNAUTHENTICATED if there is none. */
export async function requireIdentity(context: DeliveryContext): Promise<Identity> {
  const identity = await context.identity();
  if (!identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in first.');
  return identity;
}
