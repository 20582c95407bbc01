import { listItems } from '@voucher-gateway/platform/process/config';
import { z } from 'zod';

/** These headers are never forwarded. They concern one connection or one message, or the gateway sets them itself. */
const notForwarded = new Set([
  ...['connection', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding'],
  ...['upgrade', 'host', 'content-length', 'content-type', 'content-encoding', 'accept', 'accept-encoding', 'expect'],
  ...['authorization', 'x-request-id', 'x-forwarded-for'],
]);

/** Creates the schema of the setting with the request headers that are forwarded to subgraphs. */
export function forwardedHeaders() {
  return z
    .string()
    .default('')
    .transform((text, context) => {
      const names = listItems(text).map((name) => name.toLowerCase());
      const wrong = names.find((name) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name) || notForwarded.has(name));
      if (wrong === undefined) return names;
      context.addIssue({ code: 'custom', message: `must be names of headers: ${wrong} is none that can be forwarded` });
      return z.NEVER;
    });
}
