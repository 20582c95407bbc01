import { ROUTER_SUPPORTED_SUPERGRAPH_FEATURES, Supergraph } from '@apollo/federation-internals';
import { CodedError, type PlatformErrorCode } from '@voucher-gateway/platform/errors';
import { exposeOperationDirectives } from './operation-directives.ts';

export interface ReadSupergraphOptions {
  /** Whether it is validated, which takes long for a large one. Default: true. */
  validate?: boolean;
}

/**
 * Reads a supergraph of federation 1 or 2 with the features that Apollo Router supports: this executor executes them, too.
 *
 * @throws CodedError CONNECTORS_UNSUPPORTED; its message is the end of a sentence that starts with the supergraph's name
 * @throws Error with every fault of the supergraph, or UNSUPPORTED_LINKED_FEATURE for one that has to be known and is not
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

const connectIdentity = 'https://specs.apollo.dev/connect';

/** Connectors are executed by Apollo Router itself: their subgraphs are no servers. */
function refuseConnectors({ schema }: Supergraph): void {
  if (!schema.coreFeatures?.getByIdentity(connectIdentity)) return;
  const graphs = new Set<string>();
  for (const application of schema.directive('join__directive')?.applications() ?? []) {
    const { name, graphs: of } = application.arguments();
    if (name === 'connect' || name === 'source') for (const graph of of ?? []) graphs.add(String(graph));
  }
  const which = graphs.size > 0 ? ` of ${[...graphs].join(', ')}` : '';
  // The code is in the text, too: as the fault of a setting only the text is printed.
  const code: PlatformErrorCode = 'CONNECTORS_UNSUPPORTED';
  throw new CodedError<PlatformErrorCode>(
    code,
    `has Apollo Connectors (@connect)${which}, which only Apollo Router executes: serve a GraphQL subgraph instead (${code})`,
  );
}
