import { readFileSync } from 'node:fs';
import { Supergraph } from '@apollo/federation-internals';
import { findBreakingChanges, type GraphQLSchema } from 'graphql';

/** What clients see of a supergraph. */
export function apiSchemaOf(supergraphSdl: string): GraphQLSchema {
  return Supergraph.build(supergraphSdl).apiSchema().toGraphQLJSSchema();
}

/** What a client of `before` could trip over in `after`, one line a change, less what is declared. */
export function undeclaredBreakingChanges(
  before: string,
  after: string,
  declared: readonly string[] = declaredBreakingChanges(),
): string[] {
  return findBreakingChanges(apiSchemaOf(before), apiSchemaOf(after))
    .map(({ description }) => description)
    .filter((description) => !declared.includes(description));
}

/** The changes that were made on purpose, as `schema/breaking-changes.json` lists them. */
function declaredBreakingChanges(): string[] {
  return JSON.parse(readFileSync(new URL('../breaking-changes.json', import.meta.url), 'utf8'));
}
