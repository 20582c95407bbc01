import {
  type DocumentNode,
  type GraphQLSchema,
  Kind,
  parse,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { parseSelection, stringArgument } from './required-arguments.ts';

/**
 * Lists the fields that the planner may add to a client's selections: fields of `@key`, `@requires` and `@context`, and
 * `__typename`. The planner would merge a client's alias with an added field of the same name.
 *
 * @param sdl the supergraph
 */
export function readReservedKeys(sdl: string): ReadonlySet<string> {
  const names = new Set(['__typename']);
  const collect = ({ selections }: SelectionSetNode) => {
    for (const node of selections) {
      if (node.kind === Kind.FIELD) names.add(node.name.value);
      if (node.kind !== Kind.FRAGMENT_SPREAD && node.selectionSet) collect(node.selectionSet);
    }
  };
  visit(parse(sdl, { noLocation: true }), {
    Directive(node) {
      if (node.name.value !== 'join__type' && node.name.value !== 'join__field') return;
      for (const argument of ['key', 'requires']) {
        const fields = stringArgument(node, argument);
        if (fields) collect(parseSelection(fields));
      }
    },
    // The selection of a context is a text such as `{ id }` or `... on User { id }`. Each word in it is taken for a
    // field.
    ObjectField({ name, value }) {
      if (name.value === 'selection' && value.kind === Kind.STRING)
        for (const [word] of value.value.matchAll(/[_A-Za-z]\w*/g)) names.add(word);
    },
  });
  return names;
}

/**
 * Renames the aliases that are reserved names. Aliases of root fields are kept, because the planner adds no fields at
 * the root.
 *
 * @returns the document, and the new names by alias; undefined if no alias was renamed
 */
export function renameReservedKeys(
  document: DocumentNode,
  schema: GraphQLSchema,
  reserved: ReadonlySet<string>,
): { document: DocumentNode; renamedKeys: Record<string, string> | undefined } {
  const keys = new Set<string>();
  const colliding = new Set<string>();
  visit(document, {
    Field({ name, alias }) {
      keys.add((alias ?? name).value);
      if (alias && alias.value !== name.value && reserved.has(alias.value)) colliding.add(alias.value);
    },
  });
  if (colliding.size === 0) return { document, renamedKeys: undefined };
  const renamedKeys: Record<string, string> = {};
  for (const key of colliding) {
    // The new name of `__typename` must not start with two underscores, which GraphQL reserves. So new names get a
    // prefix.
    let renamed = `own_${key}`;
    while (keys.has(renamed) || reserved.has(renamed)) renamed += '_';
    keys.add(renamed);
    renamedKeys[key] = renamed;
  }
  const types = new TypeInfo(schema);
  const isRoot = (type: unknown) =>
    type === schema.getQueryType() || type === schema.getMutationType() || type === schema.getSubscriptionType();
  const renamed = visit(
    document,
    visitWithTypeInfo(types, {
      Field(node) {
        const { name, alias } = node;
        const to = alias && alias.value !== name.value ? renamedKeys[alias.value] : undefined;
        if (to === undefined || isRoot(types.getParentType())) return undefined;
        return { ...node, alias: { kind: Kind.NAME, value: to } };
      },
    }),
  );
  return { document: renamed, renamedKeys };
}
