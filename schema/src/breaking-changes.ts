import { readFileSync } from 'node:fs';
import { Supergraph } from '@apollo/federation-internals';
import { findBreakingChanges, type GraphQLSchema } from 'graphql';

/** Returns the API schema of a supergraph: the schema that clients see. */
export function apiSchemaOf(supergraphSdl: string): GraphQLSchema {
  return Supergraph.build(supergraphSdl).apiSchema().toGraphQLJSSchema();
}

/**
 * Returns the changes from `before` to `after` that break clients, one line per change. Changes in `declared` are left
 * out.
 */
export function undeclaredBreakingChanges(
  before: string,
  after: string,
  declared: readonly string[] = declaredBreakingChanges(),
): string[] {
  return findBreakingChanges(apiSchemaOf(before), apiSchemaOf(after))
    .map(({ description }) => description)
    .filter((description) => !declared.includes(description));
}

/** The intended breaking changes, from `schema/breaking-changes.json`. */
function declaredBreakingChanges(): string[] {
  return JSON.parse(readFileSync(new URL('../breaking-changes.json', import.meta.url), 'utf8'));
}
