import { createHash } from 'node:crypto';
import { z } from 'zod';

/**
 * The Voucher Provider Server's protocol, both ways.
 *
 * We `POST /api/request/voucher` with header `Idempotency-Key: <requestId>`. Within 3 s it answers the
 * code, or else a challenge, as in RFC 7636 with the roles turned: the provider is PKCE's client, we
 * verify. Later it posts the code with the verifier to the callbackUrl we gave.
 */
export const requestPath = '/api/request/voucher';
export const responsePath = '/api/voucher-code/vps/response';
export const idempotencyHeader = 'idempotency-key';

/** What we ask. `callbackUrl` is ours. */
export const voucherRequestSchema = z.object({
  phoneNumber: z.string().min(1).max(32),
  callbackUrl: z.url().max(2_048),
});
export type VpsVoucherRequest = z.infer<typeof voucherRequestSchema>;

/** Printable ASCII: a code is shown, typed, sent by SMS, and compared byte by byte. */
const codeText = z.string().regex(/^[ -~]{1,256}$/, 'must be 1 to 256 printable ASCII characters');
/** base64url of 32 bytes: 43 characters (RFC 7636 section 4.2). */
const challengeText = z.string().regex(/^[\w-]{43}$/, 'must be 43 characters of base64url');
/** 43 to 128 unreserved characters (RFC 7636 section 4.1). */
const verifierText = z.string().regex(/^[\w.~-]{43,128}$/, 'must be 43 to 128 unreserved characters');

/** The code, within 3 s. */
export const codeAnswerSchema = z.object({
  status: z.literal('SUCCESS'),
  voucherCode: codeText,
  message: z.string().optional(),
});
/** The challenge, at 3 s. Only S256 is accepted. */
export const challengeAnswerSchema = z.object({
  codeChallenge: challengeText,
  transformMethod: z.literal('S256'),
  message: z.string().optional(),
});
export const answerSchema = z.union([codeAnswerSchema, challengeAnswerSchema]);
export type VpsAnswer = z.infer<typeof answerSchema>;

/** The late code, posted to us. */
export const lateCallbackSchema = z.object({
  codeVerifier: verifierText,
  status: z.enum(['SUCCESS', 'LATE_SUCCESS']),
  voucherCode: codeText,
  message: z.string().optional(),
});
export type VpsLateCallback = z.infer<typeof lateCallbackSchema>;

/** Words of the protocol. */
export const messages = {
  processing: 'Your request is being processed within 30 seconds',
  ready: 'Thank you for using our services, your voucher code is ready.',
  lateReady: 'Thank you for your patience, your voucher code is ready.',
} as const;

/** The provider answers the challenge after this time, in milliseconds. */
export const acknowledgeAfterMs = 3_000;
/** A code later than this after the request, in milliseconds, is late. */
export const lateAfterMs = 30_000;

/** BASE64URL(SHA256(ASCII(verifier))), RFC 7636 section 4.6. */
export function challengeOf(codeVerifier: string): string {
  return createHash('sha256').update(codeVerifier, 'ascii').digest('base64url');
}
