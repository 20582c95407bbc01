import {
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

/**
 * Whether an operation with a refused token may be executed as anonymous: it has root fields, and all except
 * `__typename` are `@public`. Fields that `@skip` or `@include` exclude are also checked.
 *
 * @param schema `Federation.supergraph`, which has the directives
 * @param fragments the document's fragments by name; each is visited once
 */
export function isPublicOperation(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
): boolean {
  const rootType = schema.getRootType(operation.operation);
  if (!rootType) return false;
  const fields = new Set<string>();
  collectFieldNames(operation.selectionSet, fragments, fields, new Set());
  fields.delete('__typename');
  return fields.size > 0 && [...fields].every((field) => isPublicField(rootType, field));
}

function collectFieldNames(
  { selections }: SelectionSetNode,
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
  fields: Set<string>,
  visited: Set<string>,
): void {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      fields.add(selection.name.value);
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      collectFieldNames(selection.selectionSet, fragments, fields, visited);
    } else if (!visited.has(selection.name.value)) {
      visited.add(selection.name.value);
      const fragment = fragments[selection.name.value];
      if (fragment) collectFieldNames(fragment.selectionSet, fragments, fields, visited);
    }
  }
}

function isPublicField(type: GraphQLObjectType, name: string): boolean {
  const directives = type.getFields()[name]?.astNode?.directives ?? [];
  return directives.some((directive) => directive.name.value === 'public');
}
