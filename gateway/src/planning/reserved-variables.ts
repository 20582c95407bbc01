import { type DocumentNode, Kind } from 'graphql';
import type { DocumentFault } from './plan.ts';

/**
 * Variables that entity requests use for representations and for arguments from `@context`. In a request with several
 * `_entities` fields, these variables have a number (`representations_1`). `__proto__` is reserved because it can't be
 * an ordinary key of the variables object.
 */
const reserved = /^(?:(?:representations|contextualArgument_\d+_\d+)(?:_\d+)?|__proto__)$/;

/**
 * Finds the client's variables whose names are reserved. In requests to subgraphs, the gateway's variables would
 * overwrite the client's values.
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
