import { Kind, parse } from 'graphql';

/** Names of the supergraph's subgraphs. Empty for an invalid document, which fails later, when it is loaded. */
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
