import { createHash } from 'node:crypto';
import type { GatewayContext } from '../context.ts';

/** Claims that differ between sessions of the same user. */
const ofTheSession: ReadonlySet<string> = new Set(['sid', 'iat', 'exp', 'nbf', 'jti']);

/**
 * Creates an identity key: a hash of all that subgraphs get of a client. It has the token itself if tokens are not verified,
 * else the claims without the session's own. Subgraphs respond the same to equal keys.
 */
export function createIdentityKey({ identity, authorization, headers = [] }: GatewayContext): string {
  if (!identity && authorization === null && headers.length === 0) return '';
  const claims = Object.entries(identity?.claims ?? {})
    .filter(([name]) => !ofTheSession.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const client = [identity ? claims : authorization, headers];
  return createHash('sha256').update(JSON.stringify(client)).digest('base64');
}
