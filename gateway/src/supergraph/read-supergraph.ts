import { ROUTER_SUPPORTED_SUPERGRAPH_FEATURES, type Schema, Supergraph } from '@apollo/federation-internals';
import { CodedError, type PlatformErrorCode } from '@voucher-gateway/platform/errors';
import type { GraphQLSchema } from 'graphql';
import { exposeOperationDirectives } from './operation-directives.ts';

export interface ReadSupergraphOptions {
  /** Whether the supergraph is validated, which takes long for a large one. Default: true. */
  validate?: boolean;
}

/**
 * Reads a supergraph of federation 1 or 2. Our executor supports the features that Apollo Router supports, so all of
 * them are accepted.
 *
 * @throws CodedError CONNECTORS_UNSUPPORTED, with a message without a subject (`has Apollo Connectors …`). The caller
 *   prepends a name for the supergraph
 * @throws Error with every fault of the supergraph; UNSUPPORTED_LINKED_FEATURE for an unknown feature that is required
 *   for security or execution
 */
export function readSupergraph(sdl: string, { validate = true }: ReadSupergraphOptions = {}): Supergraph {
  const supergraph = Supergraph.build(sdl, {
    supportedFeatures: ROUTER_SUPPORTED_SUPERGRAPH_FEATURES,
    validateSupergraph: validate,
  });
  refuseConnectors(supergraph);
  exposeOperationDirectives(supergraph);
  return supergraph;
}

/** Converts an API schema to a schema of graphql-js. The directive `@defer` is included. */
export function toClientSchema(apiSchema: Schema): GraphQLSchema {
  return apiSchema.toGraphQLJSSchema({ includeDefer: true });
}

const connectIdentity = 'https://specs.apollo.dev/connect';

/**
 * Refuses subgraphs with connectors. Such a subgraph is a REST API without a GraphQL server. Only Apollo Router can
 * call it.
 */
function refuseConnectors({ schema }: Supergraph): void {
  if (!schema.coreFeatures?.getByIdentity(connectIdentity)) return;
  const graphs = new Set<string>();
  for (const application of schema.directive('join__directive')?.applications() ?? []) {
    const { name, graphs: of } = application.arguments();
    if (name === 'connect' || name === 'source') for (const graph of of ?? []) graphs.add(String(graph));
  }
  const which = graphs.size > 0 ? ` of ${[...graphs].join(', ')}` : '';
  // For an invalid setting only the message is printed, and not the error's code. So the message repeats the code.
  const code: PlatformErrorCode = 'CONNECTORS_UNSUPPORTED';
  throw new CodedError<PlatformErrorCode>(
    code,
    `has Apollo Connectors (@connect)${which}, which only Apollo Router executes: serve a GraphQL subgraph instead (${code})`,
  );
}
