import type { PlanNode } from '@apollo/query-planner';
import { isCodedError } from '@voucher-gateway/platform/errors';
import { type FragmentDefinitionNode, GraphQLError, type GraphQLSchema, type OperationDefinitionNode } from 'graphql';
import type { Plan, PlanError } from '../planning/plan.ts';
import type { Conditions } from '../request/variables.ts';
import type { Data } from './data/data.ts';
import { compileEntityStep } from './fetch/fetch-entities.ts';
import { compileFieldStep } from './fetch/fetch-fields.ts';
import { compileContextStep } from './fetch/fetch-in-context.ts';
import { Run, type RunOptions } from './fetch/run.ts';
import { createHiddenFields } from './response/hidden-fields.ts';
import { compileIntrospection } from './response/introspection.ts';
import { JsonResult } from './response/json-result.ts';
import { Output } from './response/output.ts';
import { problemErrors } from './response/problems.ts';
import { readSelections } from './response/selections.ts';
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
  /** Number of fields whose compiled form is kept in memory. Fields beyond it are compiled again for each execution. */
  maxFields: number;
  /** Response keys of the client, by the alias under which the plan fetches them. Default: none. */
  renamedKeys?: Plan['renamedKeys'];
  /** Fields that are null in the response, even if the plan fetches them. Default: none. */
  hiddenFields?: Plan['hiddenFields'];
  /** Errors that every response has, because the plan can't fetch some fields. Default: none. */
  planErrors?: Plan['errors'];
}

/** An operation that is compiled once and executed often. */
export interface CompiledOperation {
  /**
   * Executes the plan. If a subgraph fails, the result has an error for it.
   *
   * @param data data that need not be fetched, such as an event; the fetched data is merged into it
   * @throws CodedError OPERATION_TOO_COMPLEX for a response over the limit, or nested too deeply
   */
  execute(options: RunOptions, data?: Data): Promise<JsonResult>;
}

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
  const write = (run: Run): JsonResult => {
    if (introspect) run.errors.push(...introspect(run.data, run.variables));
    const output = new Output(run.limit);
    const json = writeObject(findRootShape(), run.data, output) ?? 'null';
    const known = [...planErrors.map(asGraphQLError), ...run.errors].map(restorePath);
    return new JsonResult(json, [...known, ...problemErrors(output.problems, known)]);
  };

  const onlyStep = steps.length === 1 ? steps[0] : undefined;
  return {
    async execute(runOptions, data = {}) {
      const run = new Run(runOptions, data);
      await (onlyStep ? onlyStep.run(run) : runSteps(steps, run));
      if (run.failure) throw run.failure.error;
      return write(run);
    },
  };
}

function asGraphQLError({ code, message, path }: PlanError): GraphQLError {
  return new GraphQLError(message, { path, extensions: { code } });
}

/** Creates the function that replaces aliases of the plan in the path of an error by the client's response keys. */
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
  /** Never rejects. */
  run(run: Run): Promise<void>;
}

/** Runs each step as soon as the steps that it depends on are done. */
async function runSteps(steps: readonly CompiledStep[], run: Run): Promise<void> {
  const done: Promise<void>[] = [];
  for (const step of steps) {
    const before = step.after.map((index) => done[index]);
    if (before.length === 0) done.push(step.run(run));
    else
      done.push((before.length === 1 ? (before[0] as Promise<void>) : Promise.all(before)).then(() => step.run(run)));
  }
  await Promise.all(done);
}

function compileStep(supergraph: GraphQLSchema, step: Step): CompiledStep {
  const { subgraph, after, entities } = step;
  const run = entities
    ? (step.context ? compileContextStep : compileEntityStep)(supergraph, step, entities)
    : compileFieldStep(supergraph, step);
  return {
    after,
    async run(state) {
      try {
        await run(state);
      } catch (error) {
        if (isCodedError(error)) state.failure ??= { error };
        // The response is nested so deeply that merging it exceeded the stack.
        else if (error instanceof RangeError) state.errors.push(...asFetchErrors(invalidResponse(subgraph), []));
        else state.errors.push(...asFetchErrors(error, []));
      }
    },
  };
}
