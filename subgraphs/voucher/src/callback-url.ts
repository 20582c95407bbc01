import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/**
 * Normalises a callbackUrl. Its address is checked by delivery at each call; here only an invalid URL is rejected.
 *
 * @throws CodedError CALLBACK_URL_REFUSED
 */
export function normaliseCallbackUrl(text: string): string {
  const url = text.length <= 2_048 && URL.canParse(text) ? new URL(text) : null;
  const rejected = (reason: string) =>
    new CodedError<PublicErrorCode>('CALLBACK_URL_REFUSED', reason, { details: { argument: 'input.callbackUrl' } });
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw rejected('The callbackUrl is not an http(s) URL of at most 2,048 characters.');
  if (url.username !== '' || url.password !== '')
    throw rejected('The callbackUrl contains a user or a password; verify the signature of callbacks instead.');
  url.hash = '';
  if (url.href.length > 2_048) throw rejected('The callbackUrl is longer than 2,048 characters.');
  return url.href;
}
