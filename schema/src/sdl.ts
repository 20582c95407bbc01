import { readFileSync } from 'node:fs';

export const subgraphNames = ['user', 'voucher', 'delivery'] as const;
export type SubgraphName = (typeof subgraphNames)[number];

/** A subgraph's SDL. */
export function subgraphSdl(name: SubgraphName): string {
  return readFileSync(new URL(`../subgraphs/${name}.graphql`, import.meta.url), 'utf8');
}

/** Where the composed supergraph stands, as `npm run compose:schema` writes it. */
export const supergraphFile = new URL('../supergraph.graphql', import.meta.url);

/** The composed supergraph's SDL. */
export function supergraphSdl(): string {
  return readFileSync(supergraphFile, 'utf8');
}
