import { type DirectiveNode, Kind, type SelectionNode, type ValueNode } from 'graphql';
import type { Conditions } from './variables.ts';

/** Returns the argument `if` of a directive such as `@skip`: a literal or a variable. */
export function conditionOf({ arguments: args = [] }: DirectiveNode): ValueNode | undefined {
  return args.find(({ name }) => name.value === 'if')?.value;
}

/** Whether the argument `if` is true. */
export function isTrue(condition: ValueNode, conditions: Conditions): boolean {
  if (condition.kind === Kind.VARIABLE) return conditions[condition.name.value] === true;
  return condition.kind === Kind.BOOLEAN && condition.value;
}

/** Whether `@skip` and `@include` keep the selection. */
export function isIncluded({ directives = [] }: SelectionNode, conditions: Conditions): boolean {
  if (directives.length === 0) return true;
  return directives.every((directive) => {
    const { value: name } = directive.name;
    if (name !== 'skip' && name !== 'include') return true;
    const condition = conditionOf(directive);
    return !condition || isTrue(condition, conditions) === (name === 'include');
  });
}
