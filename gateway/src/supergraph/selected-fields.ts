import {
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isUnionType,
  Kind,
  parse,
  type SelectionSetNode,
} from 'graphql';

export interface FieldSelection {
  type: string;
  field: string;
}

/**
 * Lists the fields in a selection text, such as the argument of `@requires`, at any depth. The text may be in braces,
 * like the `selection` of a context.
 */
export function listSelected(schema: GraphQLSchema, typeName: string, text: string): FieldSelection[] {
  const inner = /^\s*\{([\s\S]*)\}\s*$/.exec(text)?.[1] ?? text;
  const [operation] = parse(`{${inner}}`, { noLocation: true }).definitions;
  const found: FieldSelection[] = [];
  const collect = ({ selections }: SelectionSetNode, name: string) => {
    const type = schema.getType(name);
    for (const node of selections) {
      if (node.kind === Kind.INLINE_FRAGMENT) collect(node.selectionSet, node.typeCondition?.name.value ?? name);
      if (node.kind !== Kind.FIELD) continue;
      found.push({ type: name, field: node.name.value });
      const definition = isCompositeType(type) && !isUnionType(type) ? type.getFields()[node.name.value] : undefined;
      if (node.selectionSet && definition) collect(node.selectionSet, getNamedType(definition.type).name);
    }
  };
  if (operation?.kind === Kind.OPERATION_DEFINITION) collect(operation.selectionSet, typeName);
  return found;
}
