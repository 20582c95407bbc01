import { type DocumentNode, Kind } from 'graphql';
import type { DocumentFault } from './plan.ts';

/**
 * Variables that requests for entities use for the representations and for arguments from the context; they are
 * numbered if there are several. `__proto__` is reserved because it can't be a key of the object of variables.
 */
const reserved = /^(?:(?:representations|contextualArgument_\d+_\d+)(?:_\d+)?|__proto__)$/;

/**
 * Finds the client's variables whose names are reserved. In requests to subgraphs the planner would replace their values
 * by the representations.
 */
export function findReservedVariables({ definitions }: DocumentNode): DocumentFault[] {
  return definitions.flatMap((node) => {
    if (node.kind !== Kind.OPERATION_DEFINITION) return [];
    const taken = (node.variableDefinitions ?? []).filter(({ variable }) => reserved.test(variable.name.value));
    return taken.map(({ variable: { name, loc } }) => ({
      message: `The name of the variable $${name.value} is reserved: give yours another name.`,
      positions: loc ? [loc.start] : [],
    }));
  });
}
