import type { FetchNode } from '@apollo/query-planner';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  type DocumentNode,
  type FieldNode,
  getArgumentValues,
  getOperationAST,
  Kind,
  parse,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import type { Operation } from '../../operations/operations.ts';
import type { TopicField } from './topic-directive.ts';

/** A subscription that is ready to be executed for each event. */
export interface PlannedSubscription {
  operation: Operation;
  /** Key of the root field in the response: its alias or name. */
  responseKey: string;
  /** The root field's arguments, coerced. */
  arguments: Record<string, unknown>;
  /**
   * The arguments that the client has set, except `after`. A message must have the same values in its fields of the
   * same names.
   */
  compared: readonly [name: string, value: unknown][];
  /** The plan's primary fetch. The event replaces its response. */
  primary: { document: DocumentNode; subgraph: string; field: FieldNode };
  /**
   * True if the plan has only the primary fetch, and no hidden or unreachable fields. The event then answers the whole
   * operation: the client's document is executed on the event.
   */
  isAnsweredByEvent: boolean;
}

/** A subscription whose events come from a topic. */
export interface TopicSubscription extends PlannedSubscription {
  topicField: TopicField;
}

/** A subscription whose events come from a subgraph. */
export interface UpstreamSubscription extends PlannedSubscription {
  topicField: null;
}

/**
 * Plans a subscription. Apollo's planner returns a Subscription node: a primary fetch, and further fetches. Each event
 * replaces the response of the primary fetch.
 *
 * @param operation a validated subscription with coerced variables
 * @throws CodedError UNAUTHORIZED_FIELD_OR_TYPE, FIELD_UNREACHABLE; BAD_USER_INPUT if `@skip` or `@include` excludes
 *   the root field
 */
export function planSubscription(
  topicFields: ReadonlyMap<string, TopicField>,
  operation: Operation,
): TopicSubscription | UpstreamSubscription {
  const { federation, plan } = operation;
  const { node, errors = [], renamedKeys } = plan;
  const [error] = errors;
  if (!node && error) throw new CodedError<PublicErrorCode>(error.code, error.message);
  if (node?.kind !== 'Subscription')
    throw new CodedError<PublicErrorCode>(
      'BAD_USER_INPUT',
      'A subscription selects exactly one field; here @skip or @include leaves none.',
    );
  const document = parsePrimary(node.primary);
  const field = rootField(document);
  const definitionOfField = federation.supergraph.getSubscriptionType()?.getFields()[field.name.value];
  if (!definitionOfField) throw new Error(`the supergraph has no Subscription.${field.name.value}`);
  const args = getArgumentValues(definitionOfField, field, operation.variables);
  return {
    operation,
    topicField: topicFields.get(field.name.value) ?? null,
    responseKey: field.alias?.value ?? field.name.value,
    arguments: args,
    compared: Object.entries(args).filter(([name, value]) => name !== 'after' && (value ?? null) !== null),
    primary: { document, subgraph: node.primary.serviceName, field },
    isAnsweredByEvent: !node.rest && errors.length === 0 && !renamedKeys,
  };
}

/**
 * Finds the variable that the document uses once, as the argument `after` of a root field with `@topic`; null if there
 * is none. Subscriptions that differ only in this variable share a fan-out once they are live.
 */
export function afterVariable(
  topicFields: ReadonlyMap<string, TopicField>,
  { document, definition }: Operation,
): string | null {
  const root = definition.selectionSet.selections[0];
  if (root?.kind !== Kind.FIELD || !topicFields.has(root.name.value)) return null;
  const value = root.arguments?.find(({ name }) => name.value === 'after')?.value;
  if (value?.kind !== Kind.VARIABLE) return null;
  let uses = 0;
  visit(document, {
    VariableDefinition: () => false,
    Variable: ({ name }) => {
      if (name.value === value.name.value) uses += 1;
    },
  });
  return uses === 1 ? value.name.value : null;
}

/**
 * Reads the argument `after` of the root field: the cursor after which the subscriber resumes. Null means that the
 * subscription starts with new events.
 */
export function afterOf(
  { primary: { field }, operation }: PlannedSubscription,
  variables: Record<string, unknown>,
): string | null {
  const definition = operation.federation.supergraph.getSubscriptionType()?.getFields()[field.name.value];
  if (!definition) throw new Error(`the supergraph has no Subscription.${field.name.value}`);
  const { after } = getArgumentValues(definition, field, variables);
  return (after ?? null) === null ? null : String(after);
}

/** Parses the text of the primary fetch. The document is cached in the plan, which equal operations share. */
function parsePrimary(primary: FetchNode): DocumentNode {
  primary.operationDocumentNode ??= parse(primary.operation);
  return primary.operationDocumentNode;
}

function rootField(document: DocumentNode): FieldNode {
  const operation = getOperationAST(document);
  const selection = operation?.selectionSet.selections.find((node) => node.kind === Kind.FIELD);
  if (!selection || selection.kind !== Kind.FIELD) throw new Error('the primary fetch selects no field');
  return selection;
}

/** Returns the definitions of the document's variables that these nodes use. */
export function usedVariables(document: DocumentNode, ...nodes: unknown[]): VariableDefinitionNode[] {
  const used = new Set<string>();
  for (const node of nodes.flat()) {
    if (node) visit(node as never, { Variable: ({ name }) => void used.add(name.value) });
  }
  return (getOperationAST(document)?.variableDefinitions ?? []).filter((definition) =>
    used.has(definition.variable.name.value),
  );
}
