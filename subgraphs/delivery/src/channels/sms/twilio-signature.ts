import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Whether Twilio has signed a form that was posted to a URL. Twilio may sign the URL with or without its port. Twilio's
 * own libraries also accept both.
 *
 * @param url the URL as Twilio got it from us, with its query
 * @param signature the header `X-Twilio-Signature`
 * @see https://www.twilio.com/docs/usage/security#validating-requests
 */
export function isSignedByTwilio(
  signature: string,
  { authToken, url, form }: { authToken: string; url: string; form: URLSearchParams },
): boolean {
  const given = Buffer.from(signature);
  const isSame = (expected: string) => {
    const bytes = Buffer.from(expected);
    return bytes.length === given.length && timingSafeEqual(bytes, given);
  };
  return urlsWithAndWithoutPort(url)
    .map((each) => isSame(twilioSignature({ authToken, url: each, form })))
    .includes(true);
}

/**
 * Returns the signature: HMAC-SHA1 of the URL and the parameters, sorted by name. Repeated parameters are sorted by
 * value, and equal ones count once.
 */
export function twilioSignature({
  authToken,
  url,
  form,
}: {
  authToken: string;
  url: string;
  form: URLSearchParams;
}): string {
  const names = [...new Set(form.keys())].sort();
  const parameters = names.flatMap((name) => [...new Set(form.getAll(name))].sort().map((value) => name + value));
  return createHmac('sha1', authToken)
    .update(url + parameters.join(''))
    .digest('base64');
}

function urlsWithAndWithoutPort(url: string): string[] {
  const { protocol, port } = new URL(url);
  const [, origin = '', rest = ''] = /^(https?:\/\/[^/?]+)(.*)$/i.exec(url) ?? [];
  const withoutPort = origin.replace(/:\d+$/, '');
  const defaultPort = protocol === 'https:' ? '443' : '80';
  return [`${withoutPort}${rest}`, `${withoutPort}:${port || defaultPort}${rest}`];
}
