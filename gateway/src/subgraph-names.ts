import { Kind, parse } from 'graphql';

/** Names of the subgraphs that a supergraph is composed of; none of one that is no GraphQL, which fails when it loads. */
export function subgraphNames(supergraphSdl: string): string[] {
  return graphsOf(supergraphSdl).flatMap(({ directives = [] }) =>
    directives
      .filter((directive) => directive.name.value === 'join__graph')
      .flatMap((directive) => directive.arguments ?? [])
      .flatMap(({ name, value }) => (name.value === 'name' && value.kind === Kind.STRING ? [value.value] : [])),
  );
}

function graphsOf(supergraphSdl: string) {
  try {
    return parse(supergraphSdl, { noLocation: true }).definitions.flatMap((definition) =>
      definition.kind === Kind.ENUM_TYPE_DEFINITION && definition.name.value === 'join__Graph'
        ? (definition.values ?? [])
        : [],
    );
  } catch {
    return [];
  }
}
