import { CodedError } from '../errors.ts';
import { isHostAndPort } from '../process/config.ts';

export interface RedisAddress {
  kind: 'single' | 'sentinel' | 'cluster';
  tls: boolean;
  nodes: { host: string; port: number }[];
  path: string;
  username?: string;
  password?: string;
}

/** Whether a text is a URL in the format of `RedisKeyValueOptions.url`. */
export function isRedisUrl(url: string): boolean {
  const [, , , , , hosts] = matchUrl(url) ?? [];
  return hosts?.split(',').every((node) => isHostAndPort(node, { isPortOptional: true })) ?? false;
}

/** @throws CodedError CONFIG_INVALID */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme, mode, username, password, hosts = '', path = ''] = matchUrl(url) ?? [];
  if (scheme === undefined) throw new CodedError('CONFIG_INVALID', 'REDIS_URL is not a Redis address.');
  const defaultPort = mode === '-sentinel' ? 26_379 : 6_379;
  return {
    kind: mode === '-sentinel' ? 'sentinel' : mode === '-cluster' ? 'cluster' : 'single',
    tls: scheme === 'rediss',
    nodes: hosts.split(',').map((node) => {
      const [, host = '', port] = /^\[?(.+?)\]?(?::(\d+))?$/.exec(node) ?? [];
      return { host, port: port === undefined ? defaultPort : Number(port) };
    }),
    path,
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
  };
}

/** Matches the parts of a Redis URL; null for any other text. */
function matchUrl(url: string): RegExpExecArray | null {
  return /^(rediss?)(-sentinel|-cluster)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?]+)(?:\/([^?]*))?(?:\?.*)?$/.exec(url);
}
