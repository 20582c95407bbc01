import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The header that carries a request's id between services, and back to the client. */
export const requestIdHeader = 'x-request-id';

/**
 * The id of a request: its `x-request-id` where that has 1 to 128 letters, digits or `. _ ~ : + / = @ -`, else a
 * fresh UUID. Anything else could break out of a log line or a header.
 */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers[requestIdHeader];
  return typeof given === 'string' && /^[\w.~:+/=@-]{1,128}$/.test(given) ? given : randomUUID();
}
