import { type DirectiveNode, Kind, parse } from 'graphql';

/** Lists the names of the supergraph's subgraphs. Empty for an invalid document: loading it reports the fault. */
export function subgraphNames(supergraphSdl: string): string[] {
  return readGraphs(supergraphSdl).map(({ name }) => name);
}

/**
 * Reads the URLs of the subgraphs from the supergraph, by name. Composition accepts any text as a URL. Texts that are
 * not http(s) URLs are left out.
 */
export function subgraphUrls(supergraphSdl: string): Record<string, string> {
  return Object.fromEntries(
    readGraphs(supergraphSdl)
      .filter(({ url }) => /^https?:\/\//.test(url) && URL.canParse(url))
      .map(({ name, url }) => [name, url]),
  );
}

function readGraphs(supergraphSdl: string): { name: string; url: string }[] {
  return graphsOf(supergraphSdl).flatMap(({ directives = [] }) =>
    directives
      .filter((directive) => directive.name.value === 'join__graph')
      .flatMap((directive) => {
        const name = readString(directive, 'name');
        return name === null ? [] : [{ name, url: readString(directive, 'url') ?? '' }];
      }),
  );
}

function readString({ arguments: args = [] }: DirectiveNode, name: string): string | null {
  const value = args.find((argument) => argument.name.value === name)?.value;
  return value?.kind === Kind.STRING ? value.value : null;
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
