import { operationFromDocument, Supergraph } from '@apollo/federation-internals';
import { type QueryPlan, QueryPlanner } from '@apollo/query-planner';
import {
  type DocumentNode,
  GraphQLError,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  parse,
  SingleFieldSubscriptionsRule,
  specifiedRules,
  validate,
} from 'graphql';
import { type Conditions, isEmptyOperation, resolveConditions } from './resolve-conditions.ts';

/** What is to be planned. */
export interface PlanRequest {
  text: string;
  /** Null for the document's only operation. */
  operationName: string | null;
  conditions: Conditions;
}

/** A fault of a document, as the validator found it. */
export interface DocumentFault {
  message: string;
  /** Offsets in the text. */
  positions: readonly number[];
}

/** A plan, or why there is none. It can be sent to another thread. */
export type PlanResult =
  /** The plan's node is undefined where conditions leave nothing to ask. `bytes` is about what it takes in memory. */
  | { kind: 'plan'; plan: QueryPlan; bytes: number }
  | { kind: 'invalid'; faults: readonly DocumentFault[] }
  /** The recursion of validator or planner went deeper than the stack. */
  | { kind: 'too-deep' }
  /** The validator or the planner gave up. */
  | { kind: 'too-complex' };

export interface PlanOperationOptions {
  supergraphSdl: string;
  /** Leaves names of the schema that were not asked for out of messages. */
  hideSuggestions: boolean;
}

/** Makes the function that validates and plans, synchronously, for as long as it takes. */
export function createPlanOperation({ supergraphSdl, hideSuggestions }: PlanOperationOptions) {
  const supergraph = Supergraph.build(supergraphSdl, { validateSupergraph: false });
  const planner = new QueryPlanner(supergraph);
  const apiSchema = supergraph.apiSchema();
  const schema = apiSchema.toGraphQLJSSchema();

  return ({ text, operationName, conditions }: PlanRequest): PlanResult => {
    try {
      const document = parse(text);
      const faults = validate(schema, document, rules, { hideSuggestions });
      if (faults.some(isAborted)) return { kind: 'too-complex' };
      if (faults.length > 0) return { kind: 'invalid', faults: faults.map(faultOf) };
      const resolved = resolveConditions(document, conditions);
      const operation = getOperationAST(resolved, operationName);
      if (!operation || isEmptyOperation(operation)) return { kind: 'plan', plan: { kind: 'QueryPlan' }, bytes: 100 };
      const rootFaults = validate(schema, withoutOthers(resolved, operation), [SingleFieldSubscriptionsRule]);
      if (rootFaults.length > 0) return { kind: 'invalid', faults: rootFaults.map(faultOf) };
      const plan = planner.buildQueryPlan(
        operationFromDocument(apiSchema, resolved, {
          ...(operationName !== null && { operationName }),
          validate: false,
        }),
      );
      return { kind: 'plan', plan, bytes: 4 * JSON.stringify(plan).length };
    } catch (error) {
      if (error instanceof RangeError) return { kind: 'too-deep' };
      if (isAborted(error as Error)) return { kind: 'too-complex' };
      // The planner knows less of introspection than graphql-js.
      if (error instanceof GraphQLError) return { kind: 'invalid', faults: [faultOf(error)] };
      throw error;
    }
  };
}

/** graphql-js takes any variable of a condition for missing here: the rule is for what conditions leave. */
const rules = specifiedRules.filter((rule) => rule !== SingleFieldSubscriptionsRule);

function withoutOthers({ kind, definitions }: DocumentNode, operation: OperationDefinitionNode): DocumentNode {
  return {
    kind,
    definitions: definitions.filter((node) => node === operation || node.kind !== Kind.OPERATION_DEFINITION),
  };
}

/** graphql-js compares fields of the same name up to a budget of its own, and the planner counts selections. */
function isAborted({ message }: Error): boolean {
  return message === 'Validation aborted.' || message.startsWith('Exceeded maximum recursive selections');
}

function faultOf({ message, positions }: GraphQLError): DocumentFault {
  return { message, positions: positions ?? [] };
}
