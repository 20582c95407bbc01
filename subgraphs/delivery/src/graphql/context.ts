import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { DeliveryLoaders } from './loaders.ts';

export interface DeliveryContext {
  /** Verifies the caller's token; null for an anonymous request. Throws UNAUTHENTICATED if the token is invalid. */
  identity(): Promise<Identity | null>;
  /** Returns the loaders of a user's own rows. */
  loaders(userId: string): DeliveryLoaders;
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal;
}

/** Returns the signed-in user. Throws UNAUTHENTICATED if there is none. */
export async function requireIdentity(context: DeliveryContext): Promise<Identity> {
  const identity = await context.identity();
  if (!identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in first.');
  return identity;
}
