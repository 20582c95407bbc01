import type { OperationError } from '../graphql/errors.ts';
import { pageSettings } from '../page-settings.ts';

/** Returns why a callback URL is refused, and which URLs are accepted. */
export function refusedUrlText({ code, message }: OperationError): string {
  if (code !== 'CALLBACK_URL_REFUSED') return message;
  const local = pageSettings.testReceiver ? ', or in development http://localhost' : '';
  return `This address can’t be used. ${message.replace(/^The \w+ is refused\. /, '')} Use https:// and a public name${local}.`;
}
