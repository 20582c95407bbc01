import { type DirectiveNode, type DocumentNode, Kind } from 'graphql';

/**
 * Lists the resolvable keys of each type first. The planner enters a subgraph again by the first key that it can, even one
 * with `resolvable: false`.
 */
export function putResolvableKeysFirst(document: DocumentNode): DocumentNode {
  const definitions = document.definitions.map((definition) => {
    if (!('directives' in definition) || !definition.directives?.some(isUnresolvable)) return definition;
    const { directives } = definition;
    return {
      ...definition,
      directives: [...directives.filter((each) => !isUnresolvable(each)), ...directives.filter(isUnresolvable)],
    };
  });
  return { ...document, definitions } as DocumentNode;
}

function isUnresolvable({ name, arguments: args = [] }: DirectiveNode): boolean {
  const resolvable = args.find((argument) => argument.name.value === 'resolvable')?.value;
  return name.value === 'join__type' && resolvable?.kind === Kind.BOOLEAN && !resolvable.value;
}
