import { createHash } from 'node:crypto';
import type { GatewayContext } from '../context.ts';

/** Claims that differ between sessions of one user. */
const ofTheSession: ReadonlySet<string> = new Set(['sid', 'iat', 'exp', 'nbf', 'jti']);

/**
 * Creates the identity key of a client. Clients with equal keys share the responses of subgraphs. So the key is a hash
 * of the forwarded headers and of all claims, except the claims of the session. If the gateway does not verify tokens,
 * the hash covers the token instead of claims.
 */
export function createIdentityKey({ identity, authorization, headers = [] }: GatewayContext): string {
  if (!identity && authorization === null && headers.length === 0) return '';
  const claims = Object.entries(identity?.claims ?? {})
    .filter(([name]) => !ofTheSession.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const client = [identity ? claims : authorization, headers];
  return createHash('sha256').update(JSON.stringify(client)).digest('base64');
}
