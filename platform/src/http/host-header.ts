import type { IncomingMessage } from 'node:http';

/**
 * Used in place of a missing Host header, which HTTP/1.0 allows. No web page can have this host, because the domain
 * `invalid` is reserved (RFC 2606).
 */
const noHost = 'host.invalid';

/**
 * Creates the function that checks the Host header, and adds a missing one. Frameworks build URLs from the header, and
 * fail if it is invalid. The latest valid value is remembered, because most requests have the same Host header.
 *
 * @see RFC 9112 section 3.2: requests with a repeated or invalid Host header get 400
 */
export function createHostCheck(): (request: IncomingMessage) => boolean {
  let latest = noHost;
  return ({ headers, rawHeaders }) => {
    headers.host ||= noHost;
    const { host } = headers;
    let hosts = 0;
    for (let index = 0; index < rawHeaders.length; index += 2)
      if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === 'host') hosts += 1;
    if (hosts > 1) return false;
    if (host === latest) return true;
    const isValid = /^[^\s/?#@\\]+$/.test(host) && URL.canParse(`http://${host}`);
    if (isValid) latest = host;
    return isValid;
  };
}
