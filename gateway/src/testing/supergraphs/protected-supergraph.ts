import { parcelSupergraph } from './parcel-supergraph.ts';

/** Returns the parcel supergraph. Its fields that match `field` require the scope `track`. */
export function protectedSupergraph(field: RegExp): string {
  return parcelSupergraph()
    .replace(/(schema\n)/, '$1  @link(url: "https://specs.apollo.dev/requiresScopes/v0.1", for: SECURITY)\n')
    .replace(field, '$& @requiresScopes(scopes: [["track"]])')
    .concat(
      'directive @requiresScopes(scopes: [[requiresScopes__Scope!]!]!) on FIELD_DEFINITION | OBJECT\n',
      'scalar requiresScopes__Scope\n',
    );
}
