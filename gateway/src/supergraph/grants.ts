import type { AccessRules, Grants } from './access-rules.ts';

/** The claims that scopes and policies are read from. */
export interface GrantClaims {
  /** The claim with the scopes: a space-separated text (RFC 8693), or a list. */
  scopes: string;
  /**
   * The claim with the policies that the client fulfils: a space-separated text, or a list. Null if tokens have no
   * claim for policies.
   */
  policies: string | null;
}

/**
 * Reads a client's grants from the claims of its token. Scopes and policies that the supergraph does not use are left
 * out, so that clients with the same rights share plans.
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
