import { CodedError } from '@voucher-gateway/platform/errors';
import type { CallbackBody } from '@voucher-gateway/schema/callback';

/** Limit of a body. @see Standard Webhooks 1.0, "Payload size" */
export const maxBodyBytes = 20_000;

/**
 * Serialises a callback's body. Every attempt sends the same text.
 *
 * @throws CodedError TOPIC_VALUE_INVALID if the body is too large. The limits in the topic's schema should prevent this
 */
export function serializeBody(body: CallbackBody): string {
  const text = JSON.stringify(body);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBodyBytes)
    throw new CodedError('TOPIC_VALUE_INVALID', `Its callback would have ${bytes} bytes, more than ${maxBodyBytes}.`);
  return text;
}
