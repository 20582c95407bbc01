import { buildSubgraphSchema } from '@apollo/subgraph';
import { execute, parse } from 'graphql';
import { type SubgraphResponse, toSubgraphResponse } from '../../execution/subgraph/subgraph-response.ts';
import { federationLink, type SentRequest } from './executor.ts';

export interface LocalSubgraph {
  /** The subgraph's schema. The function adds `@link`. */
  typeDefs: string;
  resolvers: object;
}

/** Creates the function that answers requests by executing them on these subgraphs' schemas. */
export function answerBy(
  subgraphs: Record<string, LocalSubgraph>,
): (request: SentRequest) => Promise<SubgraphResponse> {
  const schemas = Object.fromEntries(
    Object.entries(subgraphs).map(([name, { typeDefs, resolvers }]) => [
      name,
      buildSubgraphSchema([{ typeDefs: parse(federationLink + typeDefs), resolvers: resolvers as never }]),
    ]),
  );
  return async ({ subgraph, query, variables }) => {
    const schema = schemas[subgraph];
    if (!schema) throw new Error(`there is no subgraph ${subgraph}`);
    const result = await execute({ schema, document: parse(query), variableValues: variables });
    const response = toSubgraphResponse(JSON.parse(JSON.stringify(result)));
    if (!response) throw new Error('no response');
    return response;
  };
}
