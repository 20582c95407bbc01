import { type DocumentNode, Kind } from 'graphql';
import type { DocumentFault } from './plan.ts';

/** The variables of entity fetches: their representations, and arguments from the context; numbered if there are several. */
const reserved = /^(?:representations|contextualArgument_\d+_\d+)(?:_\d+)?$/;

/**
 * Finds the variables of a document whose names requests to subgraphs need themselves. The planner would pass the
 * representations in place of the client's value.
 */
export function findReservedVariables({ definitions }: DocumentNode): DocumentFault[] {
  return definitions.flatMap((node) => {
    if (node.kind !== Kind.OPERATION_DEFINITION) return [];
    const taken = (node.variableDefinitions ?? []).filter(({ variable }) => reserved.test(variable.name.value));
    return taken.map(({ variable: { name, loc } }) => ({
      message: `The gateway itself needs the variable $${name.value}: give yours another name.`,
      positions: loc ? [loc.start] : [],
    }));
  });
}
