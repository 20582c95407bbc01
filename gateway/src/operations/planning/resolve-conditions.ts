import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  visit,
} from 'graphql';

/** Values of the variables that `@skip` and `@include` depend on. */
export type Conditions = Readonly<Record<string, boolean>>;

/** The variables that `@skip` and `@include` of a document depend on, each once, in alphabetical order. */
export function conditionVariables(document: DocumentNode): readonly string[] {
  const names = new Set<string>();
  visit(document, {
    Directive(node) {
      const condition = conditionOf(node);
      if (condition?.kind === Kind.VARIABLE) names.add(condition.name.value);
      return false;
    },
  });
  return [...names].sort();
}

/**
 * The document without `@skip` and `@include`: what they leave out is gone. The planner takes more than linear time in
 * the number of conditions that it sees; so it sees none.
 *
 * A selection set of which nothing is left asks for `__typename`; the operation's own may be left empty, which
 * `isEmptyOperation` tells.
 */
export function resolveConditions(document: DocumentNode, conditions: Conditions): DocumentNode {
  const isIncluded = ({ directives = [] }: SelectionNode) =>
    directives.every((directive) => {
      const condition = conditionOf(directive);
      if (!condition) return true;
      const value =
        condition.kind === Kind.BOOLEAN
          ? condition.value
          : conditions[(condition as { name: { value: string } }).name.value];
      return directive.name.value === 'include' ? value === true : value !== true;
    });
  return visit(document, {
    Directive: (node) => (conditionOf(node) ? null : undefined),
    SelectionSet: {
      enter(node) {
        const selections = node.selections.filter(isIncluded);
        if (selections.length === node.selections.length) return undefined;
        return { ...node, selections: selections.length > 0 ? selections : [typename] };
      },
    },
  });
}

const typename: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

/** Whether conditions left nothing of the operation but the `__typename` that stands in for it. */
export function isEmptyOperation({ selectionSet: { selections } }: OperationDefinitionNode): boolean {
  return selections.length === 1 && selections[0] === typename;
}

function conditionOf({ name, arguments: given = [] }: DirectiveNode) {
  if (name.value !== 'skip' && name.value !== 'include') return null;
  return given.find((argument) => argument.name.value === 'if')?.value ?? null;
}
