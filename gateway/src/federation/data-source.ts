import type { GraphQLDataSource, GraphQLDataSourceProcessOptions } from '@apollo/gateway';
import { type Subgraph, variablesOf } from '../execution/subgraph/subgraph.ts';
import { invalidResponse } from '../execution/subgraph/subgraph-errors.ts';
import { toSubgraphResponse } from '../execution/subgraph/subgraph-response.ts';

/** A value of Apollo's enum `GraphQLDataSourceRequestKind`, of which the package exports only the type. */
const incomingOperation = 'incoming operation' as GraphQLDataSourceProcessOptions['kind'] & never;

/** Wraps a data source of `@apollo/gateway` as a `Subgraph` of our executor. */
export function asSubgraph(source: Subgraph | GraphQLDataSource, name: string): Subgraph {
  if ('send' in source) return source;
  return {
    async send(request, context) {
      const { query, operationName } = request;
      const response = await source.process({
        kind: incomingOperation,
        request: { query, operationName, variables: variablesOf(request) },
        incomingRequestContext: { context } as never,
        context,
      });
      const read = toSubgraphResponse(response);
      if (!read) throw invalidResponse(name);
      return read;
    },
  };
}
