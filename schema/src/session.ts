import { z } from 'zod';

/**
 * A session in the key-value store: written by user at sign-in, touched by the gateway at each
 * operation, gone when it has ended. Its expiry is the sooner of the idle time and the token's end.
 */
export const sessionSchema = z.object({ userId: z.uuid(), kid: z.string().min(1) });
export type Session = z.infer<typeof sessionSchema>;

export function sessionKey(sid: string): string {
  return `session:${sid}`;
}

/** What the user service sets and each verifier asks, where JWT_ISSUER and JWT_AUDIENCE are not set. */
export const defaultIssuer = 'voucher-gateway';
export const defaultAudience = 'voucher-gateway';
