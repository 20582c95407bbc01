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
import { readSupergraph, toClientSchema } from '../supergraph/read-supergraph.ts';
import { findUnreachable } from './check-coverage.ts';
import { deferRule } from './defer-rules.ts';
import { resolveDeferred, separateDeferred } from './deferred-fragments.ts';
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
  /** The operation's name; null for the document's only operation. */
  operationName: string | null;
  conditions: Conditions;
  /** Whether the client accepts deferred parts. Default: false, `@defer` is ignored. */
  takesDeferred?: boolean;
  /**
   * The active `@override` labels and the client's grants. Default: no label is active, and the client has no grants.
   */
  variant?: PlanVariant;
}

/** A plan, or the reason why there is none. It can be sent to another thread. */
export type PlanResult =
  /** The plan has no node if `@skip` and `@include` exclude all fields. `bytes` is its approximate memory. */
  | { kind: 'plan'; plan: Plan; bytes: number }
  | { kind: 'invalid'; faults: readonly DocumentFault[] }
  /** The validator or the planner recursed so deeply that it exceeded the stack. */
  | { kind: 'too-deep' }
  /** The validator or the planner reached one of its own limits (see `isAborted`). */
  | { kind: 'too-complex' }
  /** No subgraph can return a field, and the planner threw an error instead of leaving the field out. */
  | { kind: 'unreachable'; field: string }
  /**
   * The whole operation is refused: its client may not see some fields (`rejectUnauthorized`), or no field can be
   * fetched.
   */
  | { kind: 'refused'; errors: readonly PlanError[] };

export interface PlanOperationOptions {
  supergraphSdl: string;
  /** Whether error messages omit suggestions (`Did you mean "id"?`), which reveal names of the schema. */
  hideSuggestions: boolean;
  /** Whether to refuse operations with fields that the client may not see. Default: false, these fields are null. */
  rejectUnauthorized?: boolean;
}

/**
 * Creates the function that validates and plans an operation. The created function is synchronous and has no time
 * limit.
 */
export function createPlanOperation(options: PlanOperationOptions) {
  const { supergraphSdl, hideSuggestions, rejectUnauthorized = false } = options;
  const original = readSupergraph(supergraphSdl, { validate: false });
  const schema = toClientSchema(original.apiSchema());
  const writeDefaults = createDefaultsWriter(schema);
  const accessRules = readAccessRules(original);
  const separated = separateRequiredFields(print(putResolvableKeysFirst(parse(supergraphSdl, { noLocation: true }))));
  const reserved = new Set([supergraphSdl, separated.sdl].flatMap((sdl) => [...readReservedKeys(sdl)]));
  const supergraph = readSupergraph(separated.sdl, { validate: false });
  // Without `typeConditionedFetching`, a fragment's fields are also fetched for objects of other types, and overwrite
  // their data.
  const planner = new QueryPlanner(supergraph, {
    typeConditionedFetching: true,
    incrementalDelivery: { enableDefer: true },
  });
  const apiSchema = supergraph.apiSchema();
  const restorePlan = createPlanRestorer(separated, supergraph.schema.toGraphQLJSSchema());

  const plan = (document: DocumentNode, definition: OperationDefinitionNode, request: PlanRequest): Plan => {
    const { operationName, variant } = request;
    const renamed = renameReservedKeys(document, schema, reserved);
    const operation = getOperationAST(renamed.document, operationName) ?? definition;
    const { node } = planner.buildQueryPlan(
      operationFromDocument(apiSchema, separateDeferred(renamed.document, operation), {
        ...(operationName !== null && { operationName }),
        validate: false,
      }),
      { overrideConditions: new Map(variant?.overrides.map((label) => [label, true])) },
    );
    const restored = restorePlan(node);
    const { renamedKeys } = renamed;
    const unreachable = findUnreachable({
      schema,
      operation,
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

  const planOperation = (request: PlanRequest): PlanResult => {
    const { text, operationName, conditions } = request;
    try {
      const document = parse(text);
      const faults = validate(schema, document, rules, { hideSuggestions });
      if (faults.some(isAborted)) return { kind: 'too-complex' };
      if (faults.length > 0) return { kind: 'invalid', faults: faults.map(faultOf) };
      const taken = findReservedVariables(document);
      if (taken.length > 0) return { kind: 'invalid', faults: taken };
      const deferred = resolveDeferred(document, conditions, request.takesDeferred === true);
      const resolved = resolveConditions(writeDefaults(deferred.document), conditions);
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
      const complete: Plan = deferred.hasDeferred ? { ...planned, hasDeferred: true } : planned;
      return { kind: 'plan', plan: complete, bytes: 4 * JSON.stringify(complete).length };
    } catch (error) {
      // The planner fails for some operations with nested `@defer`. Plan them without it: a server may ignore `@defer`.
      if (request.takesDeferred) return planOperation({ ...request, takesDeferred: false });
      if (error instanceof Unreachable) return { kind: 'refused', errors: error.errors };
      if (error instanceof RangeError) return { kind: 'too-deep' };
      if (isAborted(error as Error)) return { kind: 'too-complex' };
      const [, field] = /^Was not able to find any options for (\w+)/.exec((error as Error).message) ?? [];
      if (field !== undefined) return { kind: 'unreachable', field };
      // The planner rejects some introspection queries that graphql-js accepts.
      if (error instanceof GraphQLError) return { kind: 'invalid', faults: [faultOf(error)] };
      throw error;
    }
  };
  return planOperation;
}

/**
 * Thrown if no field of the operation can be fetched. Apollo's planner throws an error for only some of these
 * operations.
 */
class Unreachable extends Error {
  readonly errors: readonly PlanError[];

  constructor(errors: readonly PlanError[]) {
    super('there is no way to any field');
    this.errors = errors;
  }
}

const noGrants: Grants = { authenticated: false, scopes: [], policies: [] };

/**
 * All rules of graphql-js and the rule of `@defer`, except the rule that a subscription has a single root field. The
 * gateway checks that rule later, after it has evaluated `@skip` and `@include`.
 */
const rules = [...specifiedRules.filter((rule) => rule !== SingleFieldSubscriptionsRule), deferRule];

function withoutOthers({ kind, definitions }: DocumentNode, operation: OperationDefinitionNode): DocumentNode {
  return {
    kind,
    definitions: definitions.filter((node) => node === operation || node.kind !== Kind.OPERATION_DEFINITION),
  };
}

/**
 * Whether an error says that a limit was reached. graphql-js limits comparisons of fields with the same name, and the
 * planner limits selections.
 */
function isAborted({ message }: Error): boolean {
  return message === 'Validation aborted.' || message.startsWith('Exceeded maximum recursive selections');
}

function faultOf({ message, positions }: GraphQLError): DocumentFault {
  return { message, positions: positions ?? [] };
}
