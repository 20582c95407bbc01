import { z } from 'zod';
import { failureReasonSchema, instantSchema, phoneNumberSchema, voucherStatusSchema } from './topics.ts';

/** The body of a POST to a client's callbackUrl (Standard Webhooks). Each attempt sends the same bytes. */
export const callbackBodySchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('voucher.received'),
    timestamp: instantSchema,
    data: z.object({
      requestId: z.uuid(),
      voucherId: z.uuid(),
      code: z.string(),
      status: voucherStatusSchema,
      phoneNumber: phoneNumberSchema,
      requestedAt: instantSchema,
      receivedAt: instantSchema,
    }),
  }),
  z.object({
    type: z.literal('voucher.failed'),
    timestamp: instantSchema,
    data: z.object({
      requestId: z.uuid(),
      phoneNumber: phoneNumberSchema,
      reason: failureReasonSchema,
      message: z.string(),
      failedAt: instantSchema,
    }),
  }),
  z.object({
    type: z.literal('endpoint.disabled'),
    timestamp: instantSchema,
    data: z.object({
      origin: z.string(),
      // The failing URL is left out. Its path or query may contain a secret that other receivers must not see.
      failingSince: instantSchema,
      disabledAt: instantSchema,
    }),
  }),
  z.object({
    type: z.literal('callback.test'),
    timestamp: instantSchema,
    data: z.object({ message: z.string() }),
  }),
]);
export type CallbackBody = z.infer<typeof callbackBodySchema>;
