import { z } from 'zod';

/**
 * A session in the key-value store. The user service writes the session at sign-in. The session expires after the idle
 * time-out or with the token, whichever is earlier. With each operation, the gateway restarts the idle time-out.
 */
export const sessionSchema = z.object({ userId: z.uuid(), kid: z.string().min(1) });
export type Session = z.infer<typeof sessionSchema>;

export function sessionKey(sid: string): string {
  return `session:${sid}`;
}

/** Defaults of JWT_ISSUER and JWT_AUDIENCE, for the user service and for all verifiers. */
export const defaultIssuer = 'voucher-gateway';
export const defaultAudience = 'voucher-gateway';
