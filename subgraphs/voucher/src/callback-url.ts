import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/**
 * A callbackUrl as it will be called. Where it may lead is judged when it is called, by delivery; here
 * only what can't be called at all is refused.
 *
 * @throws CodedError CALLBACK_URL_REFUSED
 */
export function normaliseCallbackUrl(text: string): string {
  const url = text.length <= 2_048 && URL.canParse(text) ? new URL(text) : null;
  const refuse = (why: string) =>
    new CodedError<PublicErrorCode>('CALLBACK_URL_REFUSED', why, { details: { argument: 'input.callbackUrl' } });
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw refuse('The callbackUrl is no http(s) URL of at most 2,048 characters.');
  if (url.username !== '' || url.password !== '')
    throw refuse('The callbackUrl holds a user or a password; sign in by the signature instead.');
  url.hash = '';
  if (url.href.length > 2_048) throw refuse('The callbackUrl is longer than 2,048 characters.');
  return url.href;
}
