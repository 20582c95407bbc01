import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type DocumentNode, type ExecutionResult, execute, GraphQLError, type GraphQLFieldResolver } from 'graphql';
import type { GatewayContext } from '../../context.ts';
import { JsonResult } from '../../execution/response/json-result.ts';
import type { PlannedSubscription } from './plan-subscription.ts';

/**
 * The root field's result: the raw value of a topic message, or the data of a subgraph's response with its errors. The
 * cursor is set if the subscription can be resumed after this event.
 */
export type RootFieldResult = { cursor: string | null } & (
  | { value: unknown }
  | { data: unknown; errors?: readonly GraphQLError[] }
);

/**
 * Executes the operation for one event. The plan's primary fetch is never sent: the event takes the place of its
 * response. Further fetches go to their subgraphs with the subscriber's identity. Without further fetches the function
 * is synchronous.
 *
 * A selected field that the message lacks causes the error TOPIC_FIELD_MISSING at the field's path.
 */
export function executeEvent(
  planned: PlannedSubscription,
  result: RootFieldResult,
  context: GatewayContext,
): ExecutionResult | Promise<ExecutionResult> {
  if ('value' in result) {
    const { document, operationName } = planned.operation;
    if (planned.isAnsweredByEvent) return executeOnValue(planned, result.value, document, operationName);
    return executePlan(planned, executeOnValue(planned, result.value, planned.primary.document), context);
  }
  const primary = {
    data: result.data === undefined ? null : { [planned.responseKey]: result.data },
    ...(result.errors && { errors: result.errors }),
  };
  return executePlan(planned, primary, context);
}

/** Executes the plan, with the event as the result of its primary fetch. */
async function executePlan(
  planned: PlannedSubscription,
  primary: ExecutionResult,
  context: GatewayContext,
): Promise<ExecutionResult> {
  if ((primary.data ?? null) === null) return primary;
  const { operation } = planned;
  const result = await operation.federation.executeEvent(operation, primary.data ?? {}, context);
  if (!primary.errors) return result;
  return new JsonResult(result.dataJson, [...primary.errors, ...(result.errors ?? [])]);
}

/**
 * Executes a document on the event's value with graphql-js, which implements aliases, fragments, directives, abstract
 * types and null propagation according to the specification.
 */
function executeOnValue(
  { primary, operation }: PlannedSubscription,
  value: unknown,
  document: DocumentNode,
  operationName?: string | null,
): ExecutionResult {
  const result = execute({
    schema: operation.federation.supergraph,
    document,
    operationName,
    rootValue: { [primary.field.name.value]: value },
    variableValues: operation.variables,
    fieldResolver: ownField,
    typeResolver: (object) => (object as { __typename?: string }).__typename,
  });
  if (result instanceof Promise) throw new Error('the execution of an event must be synchronous');
  return {
    data: result.data as ExecutionResult['data'],
    ...(result.errors && {
      errors: result.errors.map((error) =>
        isCodedError(error.originalError)
          ? new GraphQLError(error.originalError.message, {
              path: error.path,
              extensions: { code: error.originalError.code },
            })
          : new GraphQLError('The message has a value that does not fit its field.', {
              path: error.path,
              extensions: { code: 'TOPIC_FIELD_MISSING' },
            }),
      ),
    }),
  };
}

const ownField: GraphQLFieldResolver<unknown, unknown> = (source, _args, _context, info) => {
  if (typeof source === 'object' && source !== null && Object.hasOwn(source, info.fieldName)) {
    return (source as Record<string, unknown>)[info.fieldName];
  }
  throw new CodedError<PublicErrorCode>(
    'TOPIC_FIELD_MISSING',
    `The topic's messages have no field ${info.fieldName} for ${info.parentType.name}.`,
  );
};
