import { type DirectiveNode, type DocumentNode, Kind } from 'graphql';

/**
 * Moves the resolvable keys of each type to the front. The planner uses the first key that fits. With a key that is
 * `resolvable: false`, the subgraph could not resolve the entity.
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
