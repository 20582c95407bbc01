import { operationFromDocument } from '@apollo/federation-internals';
import { QueryPlanner } from '@apollo/query-planner';
import {
  type DocumentNode,
  GraphQLError,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  SingleFieldSubscriptionsRule,
  specifiedRules,
  validate,
} from 'graphql';
import type { Conditions } from '../request/variables.ts';
import { type Grants, readAccessRules } from '../supergraph/access-rules.ts';
import { createDefaultsWriter } from '../supergraph/operation-directives.ts';
import { readSupergraph } from '../supergraph/read-supergraph.ts';
import { findUnreachable } from './check-coverage.ts';
import type { DocumentFault, Plan, PlanError, PlanVariant } from './plan.ts';
import { removeUnauthorized } from './remove-unauthorized.ts';
import { separateRequiredFields } from './required-arguments.ts';
import { readReservedKeys, renameReservedKeys } from './reserved-keys.ts';
import { findReservedVariables } from './reserved-variables.ts';
import { putResolvableKeysFirst } from './resolvable-keys.ts';
import { isEmptyOperation, resolveConditions } from './resolve-conditions.ts';
import { createPlanRestorer } from './restore-plan.ts';

/** A request to the planner. */
export interface PlanRequest {
  text: string;
  /** Null for the document's only operation. */
  operationName: string | null;
  conditions: Conditions;
  /** Default: no label is on. */
  variant?: PlanVariant;
}

/** A plan, or why planning failed. It can be sent to another thread. */
export type PlanResult =
  /** The plan has no node if conditions leave no field. `bytes` is its approximate memory. */
  | { kind: 'plan'; plan: Plan; bytes: number }
  | { kind: 'invalid'; faults: readonly DocumentFault[] }
  /** The recursion of the validator or planner exceeded the stack. */
  | { kind: 'too-deep' }
  /** The validator or the planner gave up. */
  | { kind: 'too-complex' }
  /** The planner found no way to a field, and no plan for the rest. */
  | { kind: 'unreachable'; field: string }
  /** Nothing of the operation is executed: its client may not see all of it, or there is no way to any of its fields. */
  | { kind: 'refused'; errors: readonly PlanError[] };

export interface PlanOperationOptions {
  supergraphSdl: string;
  /** Whether messages may not suggest names of the schema. */
  hideSuggestions: boolean;
  /** Whether an operation with a field that its client may not see is refused as a whole. Default: false. */
  rejectUnauthorized?: boolean;
}

/** Creates the function that validates and plans. It is synchronous and has no time limit. */
export function createPlanOperation(options: PlanOperationOptions) {
  const { supergraphSdl, hideSuggestions, rejectUnauthorized = false } = options;
  const original = readSupergraph(supergraphSdl, { validate: false });
  const schema = original.apiSchema().toGraphQLJSSchema();
  const writeDefaults = createDefaultsWriter(schema);
  const accessRules = readAccessRules(original);
  const separated = separateRequiredFields(print(putResolvableKeysFirst(parse(supergraphSdl, { noLocation: true }))));
  const reserved = new Set([supergraphSdl, separated.sdl].flatMap((sdl) => [...readReservedKeys(sdl)]));
  const supergraph = readSupergraph(separated.sdl, { validate: false });
  // Without it, what a fragment selects below its type is fetched, and overwrites other fields, below all other types too.
  const planner = new QueryPlanner(supergraph, { typeConditionedFetching: true });
  const apiSchema = supergraph.apiSchema();
  const restorePlan = createPlanRestorer(separated, supergraph.schema.toGraphQLJSSchema());

  const plan = (document: DocumentNode, definition: OperationDefinitionNode, request: PlanRequest): Plan => {
    const { operationName, variant } = request;
    const renamed = renameReservedKeys(document, schema, reserved);
    const { node } = planner.buildQueryPlan(
      operationFromDocument(apiSchema, renamed.document, {
        ...(operationName !== null && { operationName }),
        validate: false,
      }),
      { overrideConditions: new Map(variant?.overrides.map((label) => [label, true])) },
    );
    const restored = restorePlan(node);
    const { renamedKeys } = renamed;
    const unreachable = findUnreachable({
      schema,
      operation: getOperationAST(renamed.document, operationName) ?? definition,
      fragments: renamed.document.definitions.filter((each) => each.kind === Kind.FRAGMENT_DEFINITION),
      plan: restored,
    });
    const keys = new Map(Object.entries(renamedKeys ?? {}).map(([key, to]) => [to, key]));
    const errors = unreachable.map((error) => ({ ...error, path: error.path.map((step) => keys.get(step) ?? step) }));
    if (!restored && errors.length > 0) throw new Unreachable(errors);
    return {
      kind: 'QueryPlan',
      ...(restored && { node: restored }),
      ...(renamedKeys && { renamedKeys }),
      ...(errors.length > 0 && { errors }),
    };
  };

  return (request: PlanRequest): PlanResult => {
    const { text, operationName, conditions } = request;
    try {
      const document = parse(text);
      const faults = validate(schema, document, rules, { hideSuggestions });
      if (faults.some(isAborted)) return { kind: 'too-complex' };
      if (faults.length > 0) return { kind: 'invalid', faults: faults.map(faultOf) };
      const taken = findReservedVariables(document);
      if (taken.length > 0) return { kind: 'invalid', faults: taken };
      const resolved = resolveConditions(writeDefaults(document), conditions);
      const operation = getOperationAST(resolved, operationName);
      if (!operation || isEmptyOperation(operation)) return { kind: 'plan', plan: { kind: 'QueryPlan' }, bytes: 100 };
      const rootFaults = validate(schema, withoutOthers(resolved, operation), [SingleFieldSubscriptionsRule]);
      if (rootFaults.length > 0) return { kind: 'invalid', faults: rootFaults.map(faultOf) };
      const grants = request.variant?.grants ?? noGrants;
      const authorized = accessRules
        ? removeUnauthorized(resolved, operation, { schema, rules: accessRules, grants })
        : { document: resolved, errors: [], hiddenFields: [] };
      const { document: allowed, errors, hiddenFields } = authorized;
      if (rejectUnauthorized && errors.length > 0) return { kind: 'refused', errors };
      const rest: Plan = allowed ? plan(allowed, operation, request) : { kind: 'QueryPlan' };
      const planned = errors.length > 0 ? { ...rest, errors: [...errors, ...(rest.errors ?? [])], hiddenFields } : rest;
      return { kind: 'plan', plan: planned, bytes: 4 * JSON.stringify(planned).length };
    } catch (error) {
      if (error instanceof Unreachable) return { kind: 'refused', errors: error.errors };
      if (error instanceof RangeError) return { kind: 'too-deep' };
      if (isAborted(error as Error)) return { kind: 'too-complex' };
      const [, field] = /^Was not able to find any options for (\w+)/.exec((error as Error).message) ?? [];
      if (field !== undefined) return { kind: 'unreachable', field };
      // The planner rejects some introspection that graphql-js accepts.
      if (error instanceof GraphQLError) return { kind: 'invalid', faults: [faultOf(error)] };
      throw error;
    }
  };
}

/** No field of the operation can be fetched. The planner itself fails where it notices. */
class Unreachable extends Error {
  readonly errors: readonly PlanError[];

  constructor(errors: readonly PlanError[]) {
    super('there is no way to any field');
    this.errors = errors;
  }
}

const noGrants: Grants = { authenticated: false, scopes: [], policies: [] };

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
