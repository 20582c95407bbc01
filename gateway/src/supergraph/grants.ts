import type { AccessRules, Grants } from './access-rules.ts';

/** The claims that scopes and policies are read from. */
export interface GrantClaims {
  /** A text with spaces between the scopes (RFC 8693), or a list. */
  scopes: string;
  /** A list, or a text with spaces, of the policies that are fulfilled; null if none ever is. */
  policies: string | null;
}

/**
 * What a client may see, by the claims of its token. Scopes and policies that the supergraph does not name are left out, so
 * that clients with the same rights share their plans.
 *
 * @param claims null for a client that has not signed in
 */
export function readGrants(
  rules: Pick<AccessRules, 'scopes' | 'policies'>,
  names: GrantClaims,
  claims: Readonly<Record<string, unknown>> | null,
): Grants {
  const read = (name: string | null, known: ReadonlySet<string>) =>
    claims === null || name === null || !Object.hasOwn(claims, name)
      ? []
      : [...new Set(listOf(claims[name]))].filter((each) => known.has(each)).sort();
  return {
    authenticated: claims !== null,
    scopes: read(names.scopes, rules.scopes),
    policies: read(names.policies, rules.policies),
  };
}

function listOf(value: unknown): string[] {
  if (typeof value === 'string') return value.split(' ').filter((each) => each !== '');
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
