import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The header with a request's id, between services and in the response to the client. */
export const requestIdHeader = 'x-request-id';

/**
 * Returns a request's `x-request-id` if it consists of 1 to 128 letters, digits or `. _ ~ : + / = @ -`. Otherwise
 * returns a new UUID. Other characters could break a log line or a header.
 */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const id = headers[requestIdHeader];
  return typeof id === 'string' && /^[\w.~:+/=@-]{1,128}$/.test(id) ? id : randomUUID();
}
