import { readFileSync } from 'node:fs';

export const subgraphNames = ['user', 'voucher', 'delivery'] as const;
export type SubgraphName = (typeof subgraphNames)[number];

/** Returns a subgraph's SDL. */
export function subgraphSdl(name: SubgraphName): string {
  return readFileSync(new URL(`../subgraphs/${name}.graphql`, import.meta.url), 'utf8');
}

/** The file of the composed supergraph, written by `npm run compose:schema`. */
export const supergraphFile = new URL('../supergraph.graphql', import.meta.url);

/** Returns the composed supergraph's SDL. */
export function supergraphSdl(): string {
  return readFileSync(supergraphFile, 'utf8');
}
