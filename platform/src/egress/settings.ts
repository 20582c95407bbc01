import { z } from 'zod';
import { flag, isHostAndPort, listItems, optionalFlag } from '../process/config.ts';
import { isPrivateRange } from './address-policy.ts';
import type { PortRange, UrlPolicy } from './url-policy.ts';

/**
 * Settings that restrict the URLs of callbacks. The service that accepts the URLs and the service that calls them need
 * the same values.
 */
export const callbackUrlSettings = {
  CALLBACK_ALLOW_LOOPBACK: optionalFlag().describe(
    'Whether callbacks may go to loopback addresses. Default: true, but false if NODE_ENV is production',
  ),
  CALLBACK_ALLOW_PRIVATE: privateRanges().describe(
    'Ranges of private addresses to which callbacks may go, in CIDR notation, comma-separated, such as 10.1.0.0/16',
  ),
  CALLBACK_PORTS: ports('80,443,1024-65535').describe(
    'Ports to which callbacks may go: numbers and ranges, comma-separated',
  ),
  CALLBACK_HTTPS_ONLY: flag(false).describe('Whether callbacks may go to https URLs only'),
};

type CallbackUrlConfig = Readonly<z.output<z.ZodObject<typeof callbackUrlSettings>>> & { readonly NODE_ENV: string };

/** Returns the policy for the URLs of callbacks, from the settings. */
export function callbackUrlPolicy(config: CallbackUrlConfig): UrlPolicy {
  return {
    allowLoopback: config.CALLBACK_ALLOW_LOOPBACK ?? config.NODE_ENV !== 'production',
    privateRanges: config.CALLBACK_ALLOW_PRIVATE,
    ports: config.CALLBACK_PORTS,
    httpsOnly: config.CALLBACK_HTTPS_ONLY,
  };
}

/**
 * Defines the setting of name servers, such as `10.0.0.2,10.0.0.3:5353`; undefined means the name servers of the
 * system.
 */
export function nameServers() {
  return z
    .string()
    .optional()
    .transform((text, context) => {
      const servers = text === undefined ? undefined : listItems(text);
      if (servers?.every((server) => isHostAndPort(server, { isPortOptional: true })) !== false) return servers;
      context.addIssue({
        code: 'custom',
        message: 'must be addresses of name servers, comma-separated, such as 10.0.0.2',
      });
      return z.NEVER;
    });
}

function privateRanges() {
  return z
    .string()
    .default('')
    .transform((text, context) => {
      const ranges = listItems(text);
      const wrong = ranges.find((range) => !isPrivateRange(range));
      if (wrong === undefined) return ranges as readonly string[];
      context.addIssue({
        code: 'custom',
        message: `must be ranges of private addresses, such as 10.1.0.0/16,fd12::/16: ${wrong} is none`,
      });
      return z.NEVER;
    });
}

function ports(fallback: string) {
  return z
    .string()
    .default(fallback)
    .transform((text, context) => {
      const ranges = listItems(text).map(parsePorts);
      if (ranges.length > 0 && ranges.every((range) => range !== null)) return ranges as readonly PortRange[];
      context.addIssue({ code: 'custom', message: 'must be ports from 1 to 65535 and ranges, such as 443,8000-8999' });
      return z.NEVER;
    });
}

function parsePorts(text: string): PortRange | null {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (!match) return null;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first >= 1 && first <= last && last <= 65_535 ? [first, last] : null;
}
