import type { Operation } from '../operations/operations.ts';
import { afterVariable } from './plan/plan-subscription.ts';
import { SharedOperation, type SharedOperationEnvironment } from './shared-operation.ts';

/** All shared operations that have subscriptions. */
export interface SharedOperations {
  readonly running: ReadonlySet<SharedOperation>;
  /**
   * Returns the operation that equal requests share, or creates it. An operation is kept while it has subscriptions.
   *
   * @param variables the coerced variables, without the cursor, so that resuming subscribers share the operation
   * @throws CodedError for an operation that can't be planned
   */
  get(requested: Operation, variables: Readonly<Record<string, unknown>>): SharedOperation;
}

export function createSharedOperations(
  environment: Omit<SharedOperationEnvironment, 'onUsed' | 'onUnused'>,
): SharedOperations {
  /**
   * Operations by the document's text, then by `SharedOperation.name`. A reload of the supergraph changes neither the
   * text nor the name.
   */
  const byText = new Map<string, Map<string, SharedOperation>>();
  const running = new Set<SharedOperation>();
  const withRegistry: SharedOperationEnvironment = {
    ...environment,
    onUsed(shared) {
      const { text } = shared.operation;
      const byName = byText.get(text) ?? new Map<string, SharedOperation>();
      byText.set(text, byName.set(shared.name, shared));
      running.add(shared);
    },
    onUnused(shared) {
      const { text } = shared.operation;
      const byName = byText.get(text);
      if (byName?.get(shared.name) === shared) byName.delete(shared.name);
      if (byName?.size === 0) byText.delete(text);
      running.delete(shared);
    },
  };
  return {
    running,
    get(requested, variables) {
      const operation = { ...requested, variables };
      const fields = environment.topicFieldsOf(operation.federation);
      const { [afterVariable(fields, operation) ?? '']: _after, ...sharedVariables } = variables;
      const { operationName, variant } = operation;
      const name = JSON.stringify([operationName ?? null, sharedVariables, variant.key]);
      return byText.get(operation.text)?.get(name) ?? new SharedOperation(operation, name, withRegistry);
    },
  };
}
