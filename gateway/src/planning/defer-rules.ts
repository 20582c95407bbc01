import {
  type ASTVisitor,
  type DirectiveNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type ValidationContext,
} from 'graphql';
import { conditionOf } from '../request/conditions.ts';

/**
 * Validates `@defer`, because graphql-js 16 does not. Labels must be unique, and must not be variables. `@defer` is not
 * allowed on root fields of a mutation. In a subscription, `@defer` needs an `if` that is a variable or false.
 *
 * @see https://github.com/graphql/graphql-spec/blob/incremental-integration/spec/Section%205%20--%20Validation.md
 */
export function deferRule(context: ValidationContext): ASTVisitor {
  const labels = new Map<string, DirectiveNode>();
  const inSubscriptions = new Set<OperationDefinitionNode | FragmentDefinitionNode>();
  for (const node of context.getDocument().definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION || node.operation !== 'subscription') continue;
    inSubscriptions.add(node);
    for (const fragment of context.getRecursivelyReferencedFragments(node)) inSubscriptions.add(fragment);
  }
  const report = (message: string, ...nodes: DirectiveNode[]) =>
    context.reportError(new GraphQLError(message, { nodes }));

  const checkLabel = (node: DirectiveNode) => {
    const label = node.arguments?.find(({ name }) => name.value === 'label')?.value;
    if (!label || label.kind === Kind.NULL) return;
    if (label.kind !== Kind.STRING) return report('Argument "@defer(label:)" must be a static string.', node);
    const earlier = labels.get(label.value);
    if (earlier)
      report('Value for arguments "defer(label:)" must be unique across all Defer directive usages.', earlier, node);
    else labels.set(label.value, node);
  };
  return {
    Directive(node, _key, _parent, _path, ancestors) {
      if (node.name.value !== 'defer') return;
      checkLabel(node);
      const parentType = context.getParentType();
      const definition = ancestors.find(
        (each): each is OperationDefinitionNode | FragmentDefinitionNode =>
          'kind' in each && (each.kind === Kind.OPERATION_DEFINITION || each.kind === Kind.FRAGMENT_DEFINITION),
      );
      if (parentType && parentType === context.getSchema().getMutationType())
        report(`Defer directive cannot be used on root mutation type "${parentType.name}".`, node);
      else if (definition && inSubscriptions.has(definition) && !mayBeOff(node))
        report(
          'Defer directive not supported on subscription operations. Disable `@defer` by setting the `if` argument to `false`.',
          node,
        );
    },
  };
}

function mayBeOff(node: DirectiveNode): boolean {
  const condition = conditionOf(node);
  return condition?.kind === Kind.VARIABLE || (condition?.kind === Kind.BOOLEAN && !condition.value);
}
