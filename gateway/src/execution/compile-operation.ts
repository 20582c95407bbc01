import type { PlanNode } from '@apollo/query-planner';
import { isCodedError } from '@voucher-gateway/platform/errors';
import { type FragmentDefinitionNode, GraphQLError, type GraphQLSchema, type OperationDefinitionNode } from 'graphql';
import { isDeferred, nameDeferred, nameOfLabel, readLabel } from '../planning/deferred-fragments.ts';
import type { Plan, PlanError } from '../planning/plan.ts';
import type { Conditions } from '../request/variables.ts';
import type { Data } from './data/data.ts';
import { compileEntityStep } from './fetch/fetch-entities.ts';
import { compileFieldStep } from './fetch/fetch-fields.ts';
import { compileContextStep } from './fetch/fetch-in-context.ts';
import { Run, type RunOptions } from './fetch/run.ts';
import { addsField, assignErrors, writeDeferred } from './response/deferred-parts.ts';
import { createHiddenFields } from './response/hidden-fields.ts';
import { compileIntrospection } from './response/introspection.ts';
import { JsonResult } from './response/json-result.ts';
import { Output } from './response/output.ts';
import { problemErrors } from './response/problems.ts';
import { readSelections, type SelectionsOptions } from './response/selections.ts';
import { createShapes } from './response/shapes.ts';
import { type ObjectShape, writeObject } from './response/writers.ts';
import { mergeSteps } from './steps/merge-steps.ts';
import { shareEntities } from './steps/share-entities.ts';
import { listSteps, type Step } from './steps/steps.ts';
import { asFetchErrors, invalidResponse } from './subgraph/subgraph-errors.ts';

export interface CompileOptions {
  /** The plan's fetches; undefined if nothing has to be fetched. */
  plan: PlanNode | undefined;
  definition: OperationDefinitionNode;
  /** The document's fragments, by name. */
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** Values of the variables that `@skip` and `@include` depend on. */
  conditions: Conditions;
  /** The API schema. */
  schema: GraphQLSchema;
  /** The schema of the supergraph, with the types and directives that clients do not see. */
  supergraph: GraphQLSchema;
  /**
   * Maximum number of fields whose compiled form is kept in memory. Any further field is compiled for each execution.
   */
  maxFields: number;
  /** The client's aliases that the plan replaces, with their replacements. Default: none. */
  renamedKeys?: Plan['renamedKeys'];
  /**
   * Fields that the client may not see. The response has null for them, even if the plan fetches them. Default: none.
   */
  hiddenFields?: Plan['hiddenFields'];
  /** Errors that every response has, because the plan can't fetch some fields. Default: none. */
  planErrors?: Plan['errors'];
  /**
   * Whether fragments with `@defer` are returned as separate parts of the response. Default: false, `@defer` is
   * ignored.
   */
  hasDeferred?: boolean;
}

/** An operation that is compiled once and executed often. */
export interface CompiledOperation {
  /**
   * Executes the plan. The failure of a subgraph becomes an error in the result. With `@defer`, the result has the data
   * that is not deferred. `JsonResult.deferred` yields the deferred parts.
   *
   * @param data initial data, such as an event; the fetched data is merged into `data`
   * @throws CodedError OPERATION_TOO_COMPLEX if the response exceeds the limit; RangeError if the response is nested
   *   too deeply
   */
  execute(options: RunOptions, data?: Data): Promise<JsonResult>;
}

/**
 * Maximum number of requests for deferred parts that are sent before the primary part is written. Their responses stay
 * in memory until then. An operation with more of these requests sends all of them after the primary part.
 */
const maxEarlyRequests = 10;

export function compileOperation(options: CompileOptions): CompiledOperation {
  const {
    plan,
    definition,
    fragments,
    conditions,
    schema,
    supergraph,
    maxFields,
    renamedKeys,
    hiddenFields = [],
    planErrors = [],
    hasDeferred = false,
  } = options;
  const listed = listSteps(supergraph, plan, conditions);
  const shared = definition.operation === 'mutation' ? listed : shareEntities(listed);
  const steps = mergeSteps(shared).map((step) => compileStep(supergraph, step));
  const restorePath = createPathRestorer(renamedKeys);
  const rootType = schema.getRootType(definition.operation);
  if (!rootType) throw new Error(`the schema has no ${definition.operation}`);
  const selections = readSelections(definition.selectionSet, {
    fragments,
    conditions,
    renamedKeys,
    deferralOf: hasDeferred ? createDeferrals(definition, fragments, conditions) : () => null,
    hidden: hiddenFields.length > 0 ? createHiddenFields(schema, rootType.name, hiddenFields) : null,
  });
  const introspect = compileIntrospection(schema, definition, fragments, selections);
  const shapeOf = createShapes({ schema, maxFields });

  let rootShape: ObjectShape | null = null;
  const findRootShape = (): ObjectShape => {
    const shape = rootShape ?? shapeOf(rootType, [selections]);
    if (shape.isKept) rootShape = shape;
    return shape;
  };
  const write = (run: Run, output: Output): { json: string; errors: readonly GraphQLError[] } => {
    if (introspect) run.errors.push(...introspect(run.data, run.variables));
    const json = writeObject(findRootShape(), run.data, output) ?? 'null';
    const known = [...planErrors.map(asGraphQLError), ...run.errors].map(restorePath);
    return { json, errors: [...known, ...problemErrors(output.takeProblems(), known)] };
  };

  const onlyStep = steps.length === 1 ? steps[0] : undefined;
  const execute: CompiledOperation['execute'] = async (runOptions, data = {}) => {
    const run = new Run(runOptions, data);
    await (onlyStep ? onlyStep.run(run) : Promise.all(startSteps(steps, () => run)));
    if (run.failure) throw run.failure.error;
    const { json, errors } = write(run, new Output(run.limit));
    return new JsonResult(json, errors);
  };
  const startsEarly = steps.filter(({ part }) => part !== null).length <= maxEarlyRequests;
  /** Starts all requests to subgraphs. Resolves when the requests for data that is not deferred are done. */
  const executeInParts: CompiledOperation['execute'] = async (runOptions, data = {}) => {
    const run = new Run(runOptions, data);
    /**
     * Resolves to true when the primary part is written and deferred parts follow. Resolves to false if none follow, or
     * on failure.
     */
    const written = Promise.withResolvers<boolean>();
    const parts = new Map<string, Run>();
    const runOf = (label: string | null) => {
      if (label === null) return run;
      const part = parts.get(label) ?? new Run(runOptions, data, { of: run, mayMerge: written.promise });
      parts.set(label, part);
      return part;
    };
    const done = startSteps(steps, runOf, startsEarly ? null : written.promise);
    const doneOf = (isOf: (label: string | null) => boolean) =>
      Promise.all(done.filter((_, index) => isOf(steps[index]?.part ?? null)));
    const settled = Promise.all(done);
    try {
      await doneOf((label) => label === null);
      if (run.failure) throw run.failure.error;
      const output = new Output(run.limit);
      const { json, errors } = write(run, output);
      const { deferred } = output;
      const own = assignErrors(errors, deferred, addsField);
      if (deferred.length === 0) return new JsonResult(json, own);
      const fetched = async (name: string) => {
        const isOf = (label: string | null) => label !== null && nameOfLabel(label) === name;
        await doneOf(isOf);
        const runs = [...parts].filter(([label]) => isOf(label)).map(([, part]) => part);
        const failed = runs.find(({ failure }) => failure);
        if (failed?.failure) throw failed.failure.error;
        return () => runs.flatMap((part) => part.errors.splice(0)).map(restorePath);
      };
      written.resolve(true);
      return new JsonResult(json, own, {
        chunks: writeDeferred({ output, deferred, errors: own, fetched }),
        settled,
      });
    } finally {
      written.resolve(false);
    }
  };
  return { execute: hasDeferred ? executeInParts : execute };
}

/**
 * Creates `deferralOf`, which returns the name and the label of a deferred fragment. For any other fragment,
 * `deferralOf` returns null.
 */
function createDeferrals(
  definition: OperationDefinitionNode,
  fragments: CompileOptions['fragments'],
  conditions: Conditions,
): SelectionsOptions['deferralOf'] {
  const names = new Map([definition, ...Object.values(fragments)].flatMap((node) => [...nameDeferred(node)]));
  return (node) => {
    const name = names.get(node);
    return name !== undefined && isDeferred(node, conditions) ? { name, label: readLabel(node) } : null;
  };
}

function asGraphQLError({ code, message, path }: PlanError): GraphQLError {
  return new GraphQLError(message, { path, extensions: { code } });
}

/**
 * Creates a function that corrects the path of an error. The function replaces aliases of the plan with the client's
 * response keys.
 */
function createPathRestorer(renamedKeys: Plan['renamedKeys']): (error: GraphQLError) => GraphQLError {
  if (!renamedKeys) return (error) => error;
  const original = new Map(Object.entries(renamedKeys).map(([key, renamed]) => [renamed, key]));
  return (error) => {
    const { message, path, originalError, extensions } = error;
    if (!path?.some((step) => original.has(step as string))) return error;
    return new GraphQLError(message, {
      path: path.map((step) => original.get(step as string) ?? step),
      originalError,
      extensions,
    });
  };
}

interface CompiledStep {
  after: readonly number[];
  part: string | null;
  /** Never rejects. */
  run(run: Run): Promise<void>;
}

/**
 * Starts each step (a request to a subgraph) as soon as the steps that it depends on are done. Returns one promise per
 * step, which resolves when the step is done.
 *
 * @param partsMayStart if set, the steps of deferred parts start after this promise. If the promise resolves to false,
 *   these steps are skipped
 */
function startSteps(
  steps: readonly CompiledStep[],
  runOf: (part: string | null) => Run,
  partsMayStart: Promise<boolean> | null = null,
): Promise<void>[] {
  const done: Promise<void>[] = [];
  for (const step of steps) {
    const run = runOf(step.part);
    const before = step.after.map((index) => done[index]);
    if (partsMayStart && step.part !== null)
      done.push(Promise.all([partsMayStart, ...before]).then(([mayStart]) => (mayStart ? step.run(run) : undefined)));
    else if (before.length === 0) done.push(step.run(run));
    else
      done.push((before.length === 1 ? (before[0] as Promise<void>) : Promise.all(before)).then(() => step.run(run)));
  }
  return done;
}

function compileStep(supergraph: GraphQLSchema, step: Step): CompiledStep {
  const { subgraph, after, part, entities } = step;
  const run = entities
    ? (step.context ? compileContextStep : compileEntityStep)(supergraph, step, entities)
    : compileFieldStep(supergraph, step);
  return {
    after,
    part,
    async run(state) {
      try {
        await run(state);
        // The step's data conflicts with data that the client already has. The conflict is reported as an error, unless
        // the deferred part already has an error.
        if (state.hasConflict && state.errors.length === 0)
          state.errors.push(...asFetchErrors(invalidResponse(subgraph), []));
      } catch (error) {
        if (isCodedError(error)) state.failure ??= { error };
        // The response is nested so deeply that merging it exceeded the stack.
        else if (error instanceof RangeError) state.errors.push(...asFetchErrors(invalidResponse(subgraph), []));
        else state.errors.push(...asFetchErrors(error, []));
      }
    },
  };
}
