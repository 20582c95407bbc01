import { z } from 'zod';

/** A phone number in E.164: a plus and 8 to 15 digits. */
export const phoneNumberSchema = z.string().regex(/^\+[1-9]\d{7,14}$/, 'must be a phone number in E.164 form');
/** An instant as ISO 8601 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`. */
export const instantSchema = z.iso.datetime({ precision: 3 });
/** A UUID, converted to lower case. Databases return UUIDs in lower case, so ids can be compared as strings. */
const idSchema = z.uuid().toLowerCase();
const owner = z.object({ id: idSchema });

export const voucherStatusSchema = z.enum(['SUCCESS', 'LATE_SUCCESS']);
export const failureReasonSchema = z.enum(['PROVIDER_REFUSED', 'PROVIDER_UNAVAILABLE', 'PROVIDER_SILENT']);
export type VoucherStatus = z.infer<typeof voucherStatusSchema>;
export type FailureReason = z.infer<typeof failureReasonSchema>;

/** A voucher was requested. Consumed by voucher-integration and delivery. */
export const requestCodeSchema = z.object({
  requestId: idSchema,
  userId: idSchema,
  phoneNumber: phoneNumberSchema,
  callbackUrl: z.url().max(2_048).nullable(),
  requestedAt: instantSchema,
});
export type RequestCode = z.infer<typeof requestCodeSchema>;

/**
 * When the request was first sent to the provider, and when the provider first acknowledged it. A time is absent if the
 * step did not happen, or if its time is unknown.
 */
const providerTimes = { askedAt: instantSchema.optional(), acknowledgedAt: instantSchema.optional() };

/**
 * The provider has acknowledged a request, and will send the code later. Consumed by the voucher service, and sent to
 * subscribers. The outcome of the request is in another topic, and may arrive before this message.
 */
export const requestAcknowledgedSchema = z.object({
  requestId: idSchema,
  phoneNumber: phoneNumberSchema,
  askedAt: instantSchema,
  acknowledgedAt: instantSchema,
  owner,
});
export type RequestAcknowledged = z.infer<typeof requestAcknowledgedSchema>;

/**
 * A code was received. The message has all fields of the Voucher type. So the gateway can send it to subscribers
 * without calling the subgraph.
 */
export const receiveCodeSchema = z.object({
  id: idSchema,
  requestId: idSchema,
  code: z.string().min(1).max(256),
  phoneNumber: phoneNumberSchema,
  status: voucherStatusSchema,
  requestedAt: instantSchema,
  receivedAt: instantSchema,
  ...providerTimes,
  owner,
});
export type ReceiveCode = z.infer<typeof receiveCodeSchema>;

/** A request has failed permanently. */
export const requestFailedSchema = z.object({
  requestId: idSchema,
  phoneNumber: phoneNumberSchema,
  reason: failureReasonSchema,
  message: z.string().min(1).max(1_000),
  requestedAt: instantSchema,
  failedAt: instantSchema,
  ...providerTimes,
  owner,
});
export type RequestFailed = z.infer<typeof requestFailedSchema>;

/**
 * With `sid`: a session ended before its expiry. With `kid`: a signing key was revoked, and all sessions whose tokens
 * this key signed have ended.
 */
export const sessionEndedSchema = z.union([z.object({ sid: z.string().min(1) }), z.object({ kid: z.string().min(1) })]);
export type SessionEnded = z.infer<typeof sessionEndedSchema>;

/** All topics. Each is a `Topic` (platform/src/topics.ts). */
export const topics = {
  requestCode: { name: 'request-code', schema: requestCodeSchema, key: (value: RequestCode) => value.requestId },
  requestAcknowledged: {
    name: 'request-acknowledged',
    schema: requestAcknowledgedSchema,
    key: (value: RequestAcknowledged) => value.phoneNumber,
  },
  receiveCode: { name: 'receive-code', schema: receiveCodeSchema, key: (value: ReceiveCode) => value.phoneNumber },
  requestFailed: {
    name: 'request-failed',
    schema: requestFailedSchema,
    key: (value: RequestFailed) => value.phoneNumber,
  },
  sessionEnded: {
    name: 'session-ended',
    schema: sessionEndedSchema,
    key: (value: SessionEnded) => ('sid' in value ? value.sid : value.kid),
  },
} as const;
