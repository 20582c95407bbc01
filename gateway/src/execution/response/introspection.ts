import {
  type DocumentNode,
  executeSync,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
} from 'graphql';
import { type Data, setOwn } from '../data/data.ts';
import type { Selections } from './selections.ts';

/** Adds the values of an operation's introspection fields to its data, and returns the errors. */
export type Introspect = (data: Data, variables: Readonly<Record<string, unknown>>) => readonly GraphQLError[];

/** Compiles the introspection fields of an operation; null if there are none. graphql-js executes these fields. */
export function compileIntrospection(
  schema: GraphQLSchema,
  definition: OperationDefinitionNode,
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
  selections: Selections,
): Introspect | null {
  const fields = fieldsOf(selections);
  if (fields.length === 0) return null;
  const document: DocumentNode = {
    kind: Kind.DOCUMENT,
    definitions: [
      {
        ...definition,
        name: undefined,
        directives: [],
        selectionSet: { kind: Kind.SELECTION_SET, selections: fields },
      },
      ...Object.values(fragments),
    ],
  };
  return (target, variableValues) => {
    const { data, errors = [] } = executeSync({ schema, document, rootValue: {}, variableValues });
    for (const [key, value] of Object.entries(data ?? {})) setOwn(target, key, value);
    return errors;
  };
}

/** Finds the introspection fields at an operation's root, also in fragments. */
function fieldsOf(selections: Selections, visited = new Set<Selections>()): FieldNode[] {
  if (visited.has(selections)) return [];
  visited.add(selections);
  return selections.items.flatMap((item) => {
    if (item.kind === 'fragment') return fieldsOf(item.selections, visited);
    return item.isHidden ? [] : (item.introspection ?? []);
  });
}
