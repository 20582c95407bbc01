import { createHash } from 'node:crypto';
import { z } from 'zod';

/**
 * The protocol of the Voucher Provider Server, in both directions.
 *
 * We `POST /api/request/voucher` with the header `Idempotency-Key: <requestId>`. Within 3 s the provider responds with
 * the code, or with a challenge. If it responds with a challenge, it later posts the code to our callbackUrl, together
 * with the verifier of the challenge. This is PKCE (RFC 7636): the provider acts as the client, and we act as the
 * server that verifies.
 */
export const requestPath = '/api/request/voucher';
export const responsePath = '/api/voucher-code/vps/response';
export const idempotencyHeader = 'idempotency-key';

/** Our request to the provider. `callbackUrl` is our URL for the late code, not the user's. */
export const voucherRequestSchema = z.object({
  phoneNumber: z.string().min(1).max(32),
  callbackUrl: z.url().max(2_048),
});
export type VpsVoucherRequest = z.infer<typeof voucherRequestSchema>;

/** Printable ASCII, because codes are shown, typed, sent by SMS, and compared byte by byte. */
const codeText = z.string().regex(/^[ -~]{1,256}$/, 'must be 1 to 256 printable ASCII characters');
/** base64url of 32 bytes: 43 characters (RFC 7636 section 4.2). */
const challengeText = z.string().regex(/^[\w-]{43}$/, 'must be 43 characters of base64url');
/** 43 to 128 unreserved characters (RFC 7636 section 4.1). */
const verifierText = z.string().regex(/^[\w.~-]{43,128}$/, 'must be 43 to 128 unreserved characters');

/** The response with the code, within 3 s. */
export const codeAnswerSchema = z.object({
  status: z.literal('SUCCESS'),
  voucherCode: codeText,
  message: z.string().optional(),
});
/** The response with a challenge, after 3 s. Only S256 is accepted. */
export const challengeAnswerSchema = z.object({
  codeChallenge: challengeText,
  transformMethod: z.literal('S256'),
  message: z.string().optional(),
});
export const answerSchema = z.union([codeAnswerSchema, challengeAnswerSchema]);
export type VpsAnswer = z.infer<typeof answerSchema>;

/** The body of the provider's POST with a late code. */
export const lateCallbackSchema = z.object({
  codeVerifier: verifierText,
  status: z.enum(['SUCCESS', 'LATE_SUCCESS']),
  voucherCode: codeText,
  message: z.string().optional(),
});
export type VpsLateCallback = z.infer<typeof lateCallbackSchema>;

/** Messages of the protocol. */
export const messages = {
  processing: 'Your request is being processed within 30 seconds',
  ready: 'Thank you for using our services, your voucher code is ready.',
  lateReady: 'Thank you for your patience, your voucher code is ready.',
} as const;

/** The provider responds with a challenge after this time. */
export const acknowledgeAfterMs = 3_000;
/** A code that arrives more than this time after its request is late. */
export const lateAfterMs = 30_000;

/** BASE64URL(SHA256(ASCII(verifier))), RFC 7636 section 4.6. */
export function challengeOf(codeVerifier: string): string {
  return createHash('sha256').update(codeVerifier, 'ascii').digest('base64url');
}
