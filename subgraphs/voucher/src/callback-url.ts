import { type UrlPolicy, urlRefusal } from '@voucher-gateway/platform/egress/url-policy';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

const maxLength = 2_048;

/**
 * Normalises a callbackUrl. The addresses of its name are checked by delivery at each call.
 *
 * @throws CodedError CALLBACK_URL_REFUSED
 */
export function normaliseCallbackUrl(text: string, policy: UrlPolicy): string {
  const refused = (reason: string) =>
    new CodedError<PublicErrorCode>('CALLBACK_URL_REFUSED', `The callbackUrl is refused. ${reason}`, {
      details: { argument: 'input.callbackUrl' },
    });
  if (text.length > maxLength || !URL.canParse(text))
    throw refused('It is not an http or https URL of at most 2,048 characters.');
  const url = new URL(text);
  const reason = urlRefusal(url, policy);
  if (reason !== null) throw refused(reason);
  url.hash = '';
  if (url.href.length > maxLength) throw refused('It has more than 2,048 characters.');
  return url.href;
}
