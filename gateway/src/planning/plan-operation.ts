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
import type { Conditions } from '../request/variables.ts';
import { isEmptyOperation, resolveConditions } from './resolve-conditions.ts';

/** A request to the planner. */
export interface PlanRequest {
  text: string;
  /** Null for the document's only operation. */
  operationName: string | null;
  conditions: Conditions;
}

/** A validation error of a document. */
export interface DocumentFault {
  message: string;
  /** Offsets in the text. */
  positions: readonly number[];
}

/** A plan, or why planning failed. It can be sent to another thread. */
export type PlanResult =
  /** The plan has no node if conditions leave no field. `bytes` is its approximate memory. */
  | { kind: 'plan'; plan: QueryPlan; bytes: number }
  | { kind: 'invalid'; faults: readonly DocumentFault[] }
  /** The recursion of the validator or planner exceeded the stack. */
  | { kind: 'too-deep' }
  /** The validator or the planner gave up. */
  | { kind: 'too-complex' };

export interface PlanOperationOptions {
  supergraphSdl: string;
  /** Whether messages may not suggest names of the schema. */
  hideSuggestions: boolean;
}

/** Creates the function that validates and plans. It is synchronous and has no time limit. */
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
      // The planner rejects some introspection that graphql-js accepts.
      if (error instanceof GraphQLError) return { kind: 'invalid', faults: [faultOf(error)] };
      throw error;
    }
  };
}

/** Without the rule that validates root fields of a subscription: it runs after conditions are resolved. */
const rules = specifiedRules.filter((rule) => rule !== SingleFieldSubscriptionsRule);

function withoutOthers({ kind, definitions }: DocumentNode, operation: OperationDefinitionNode): DocumentNode {
  return {
    kind,
    definitions: definitions.filter((node) => node === operation || node.kind !== Kind.OPERATION_DEFINITION),
  };
}

/** Whether graphql-js aborted the comparison of fields with the same name, or the planner its count of selections. */
function isAborted({ message }: Error): boolean {
  return message === 'Validation aborted.' || message.startsWith('Exceeded maximum recursive selections');
}

function faultOf({ message, positions }: GraphQLError): DocumentFault {
  return { message, positions: positions ?? [] };
}
