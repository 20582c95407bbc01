import { type DocumentNode, type FieldNode, Kind, type OperationDefinitionNode, visit } from 'graphql';
import { conditionOf, isIncluded } from '../request/conditions.ts';
import type { Conditions } from '../request/variables.ts';

/** Lists the variables in `if` of `@skip`, `@include` and `@defer`, sorted and without duplicates. */
export function conditionVariables(document: DocumentNode): readonly string[] {
  const names = new Set<string>();
  visit(document, {
    Directive(node) {
      const condition = conditional.has(node.name.value) ? conditionOf(node) : undefined;
      if (condition?.kind === Kind.VARIABLE) names.add(condition.name.value);
      return false;
    },
  });
  return [...names].sort();
}

/**
 * Evaluates `@skip` and `@include`, and removes the selections that they exclude. This is done before planning, because
 * the planner's time grows more than linearly with the number of conditions.
 *
 * An empty selection set gets a placeholder `__typename`, by which `isEmptyOperation` recognises an empty operation.
 */
export function resolveConditions(document: DocumentNode, conditions: Conditions): DocumentNode {
  return visit(document, {
    Directive: (node) => (including.has(node.name.value) && conditionOf(node) ? null : undefined),
    SelectionSet: {
      enter(node) {
        const selections = node.selections.filter((selection) => isIncluded(selection, conditions));
        if (selections.length === node.selections.length) return undefined;
        return { ...node, selections: selections.length > 0 ? selections : [typename] };
      },
    },
  });
}

const typename: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

/** Whether conditions have removed all fields of the operation, so that only the placeholder `__typename` is left. */
export function isEmptyOperation({ selectionSet: { selections } }: OperationDefinitionNode): boolean {
  return selections.length === 1 && selections[0] === typename;
}

const including: ReadonlySet<string> = new Set(['skip', 'include']);
const conditional: ReadonlySet<string> = new Set([...including, 'defer']);
