import { CodedError } from '../errors.ts';
import { type UrlPolicy, urlRefusal } from './url-policy.ts';

const maxLength = 2_048;

/**
 * Normalises the URL of a callback. The IP addresses of the URL's host are not checked here. They are checked at each
 * call of the URL.
 *
 * @param argument the argument's path, such as `input.callbackUrl`
 * @throws CodedError CALLBACK_URL_REFUSED
 */
export function normaliseCallbackUrl(
  text: string,
  { policy, argument }: { policy: UrlPolicy; argument: string },
): string {
  const refused = (reason: string) =>
    new CodedError('CALLBACK_URL_REFUSED', `The ${argument.split('.').at(-1)} is refused. ${reason}`, {
      details: { argument },
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
