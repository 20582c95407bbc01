import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { subgraphNames, subgraphSdl } from './sdl.ts';

/**
 * Composes the subgraphs. Their URLs in the supergraph are placeholders: the gateway reads the real URLs from
 * SUBGRAPH_<NAME>_URL.
 *
 * @returns the supergraph's SDL
 * @throws Error with all composition errors, one per line
 */
export function composeSupergraph(): string {
  const result = composeServices(
    subgraphNames.map((name) => ({ name, url: `http://${name}.invalid/graphql`, typeDefs: parse(subgraphSdl(name)) })),
  );
  if (result.errors?.length)
    throw new Error(result.errors.map((error) => `${error.extensions?.code}: ${error.message}`).join('\n'));
  return `${result.supergraphSdl?.trim()}\n`;
}
