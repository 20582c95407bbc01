import type { FetchDataRewrite } from '@apollo/query-planner';
import { type GraphQLError, type GraphQLSchema, isObjectType } from 'graphql';
import { copyData, type Data, isData, isFlat, mergeData, readOwn, setOwn } from '../data/data.ts';
import type { ResponsePath } from '../data/paths.ts';
import { readRequestedKeys } from '../data/requested-keys.ts';
import type { EntityFetch, Step } from '../steps/steps.ts';
import type { SubgraphRequest } from '../subgraph/subgraph.ts';
import { asClientError, asFetchErrors, invalidResponse } from '../subgraph/subgraph-errors.ts';
import type { SubgraphResponse } from '../subgraph/subgraph-response.ts';
import { type CompiledEntityFetch, EntityBatch, type Receiver } from './entity-batch.ts';
import { compileRepresentation } from './representation.ts';
import { compileRequest } from './request-body.ts';
import { applyRewrites, rewritePath } from './rewrites.ts';
import type { Run } from './run.ts';

/**
 * Maximum number of errors from one subgraph response. An entity may belong to many objects, and its error is reported
 * for each of them.
 */
const maxErrors = 100;

/** Compiles a step that fetches more fields of entities that earlier steps returned. */
export function compileEntityStep(schema: GraphQLSchema, step: Step, entities: readonly EntityFetch[]) {
  const { subgraph } = step;
  const writeRequest = compileRequest(step);
  const fetches = entities.map((fetch) => compileEntityFetch(schema, fetch, step));

  return (run: Run): Promise<void> => {
    const batches = fetches.map((fetch) => new EntityBatch(fetch, run));
    return fetchBatches(schema, run, subgraph, batches, () =>
      writeRequest(
        run.variables,
        batches.map((batch) => [batch.fetch.variable, batch.json] as const),
      ),
    );
  };
}

/**
 * Sends one request for the entities of these batches, and merges each entity into its objects. Sends nothing if
 * earlier fetches have returned all entities.
 */
export async function fetchBatches(
  schema: GraphQLSchema,
  run: Run,
  subgraph: string,
  batches: EntityBatch[],
  writeRequest: () => SubgraphRequest,
): Promise<void> {
  for (const { known } of batches)
    for (const { receiver, entity } of known) completeByCopy(schema, run, receiver, entity);
  if (batches.every(({ receivers }) => receivers.length === 0)) return;
  let response: SubgraphResponse;
  try {
    response = await run.send(subgraph, writeRequest());
  } catch (error) {
    const paths = batches.flatMap((batch) => batch.listPaths);
    run.errors.push(...asFetchErrors(error, uniquePaths(paths)));
    return;
  }
  // Errors are read before the data is merged, because merging may replace the objects from which their paths are
  // computed.
  if (response.errors) run.errors.push(...readErrors(response, subgraph, batches));
  if (response.data) for (const batch of batches) deliver(schema, run, subgraph, batch, response as Answered);
}

type Answered = SubgraphResponse & { data: Data };

export function compileEntityFetch(schema: GraphQLSchema, fetch: EntityFetch, { query }: Step): CompiledEntityFetch {
  const requested = readRequestedKeys(query, fetch.key);
  return {
    ...fetch,
    targets: fetch.targets.map(({ path, requires, inputRewrites, outputRewrites }) => ({
      path,
      represent: compileRepresentation(schema, requires, inputRewrites),
      outputRewrites,
      // Output rewrites rename keys, so the keys of the response can't be compared with the requested keys.
      requested: outputRewrites?.length ? null : requested,
    })),
  };
}

/** Merges the entities of a response into their objects. */
function deliver(schema: GraphQLSchema, run: Run, subgraph: string, batch: EntityBatch, { data, errors }: Answered) {
  const { fetch, receivers } = batch;
  const entities = readOwn(data, fetch.key);
  if (!Array.isArray(entities) || entities.length !== receivers.length) {
    if (!errors && receivers.length > 0)
      run.errors.push(...asFetchErrors(invalidResponse(subgraph), uniquePaths(batch.listPaths)));
    return;
  }
  for (let index = 0; index < entities.length; index += 1) {
    const entity: unknown = entities[index];
    const of = receivers[index] as Receiver[];
    if (isData(entity)) {
      // Entities of a response with errors are not kept for later fetches. A later fetch requests them again, and gets
      // errors with the paths of its own objects.
      if (!errors) batch.share(index, () => (isFlat(entity) ? entity : copyData(entity, run.countCopy)));
      // Later steps may merge different data into each object, so the objects must not share the entity. The last
      // object gets the entity itself, and each other object gets a copy.
      const last = of.length - 1;
      for (let at = 0; at < last; at += 1) completeByCopy(schema, run, of[at] as Receiver, entity);
      complete(schema, run, of[last] as Receiver, entity);
    } else if (entity !== null) {
      run.errors.push(
        ...asFetchErrors(
          invalidResponse(subgraph),
          of.slice(0, maxErrors).map((to) => batch.pathOf(to)),
        ),
      );
    }
  }
}

/**
 * Merges an entity into an object, without sharing the entity's nested objects. An entity without nested objects and
 * lists is copied only if output rewrites may change it.
 */
function completeByCopy(schema: GraphQLSchema, run: Run, receiver: Receiver, entity: Data): void {
  const mayChange = receiver.target.outputRewrites !== undefined || !isFlat(entity);
  if (!mayChange) run.countCopy();
  complete(schema, run, receiver, mayChange ? copyData(entity, run.countCopy) : entity);
}

/** Merges an entity into its object. Nested objects of the entity are not copied. */
function complete(schema: GraphQLSchema, run: Run, { object, target }: Receiver, entity: Data): void {
  const { __typename: known } = object;
  if (target.outputRewrites) rewriteEntity(schema, known, target.outputRewrites, entity);
  mergeData(object, entity, target.requested, run.onConflict);
  if (object.__typename !== known && isObjectName(schema, known)) object.__typename = known;
}

/**
 * Applies rewrites to an entity. First sets the entity's `__typename`, because rewrites may depend on it and the
 * request may not have selected it.
 */
function rewriteEntity(
  schema: GraphQLSchema,
  known: unknown,
  rewrites: readonly FetchDataRewrite[],
  entity: Data,
): void {
  if (!entity.__typename || isObjectName(schema, known)) setOwn(entity, '__typename', known);
  applyRewrites(schema, rewrites, entity);
}

/**
 * Whether `name` is the name of an object type. A subgraph with `@interfaceObject` returns the interface's name, and a
 * faulty subgraph may return any name.
 */
function isObjectName(schema: GraphQLSchema, name: unknown): name is string {
  return typeof name === 'string' && isObjectType(schema.getType(name));
}

/**
 * Converts the errors of a response to errors at the paths of the entities' objects: `_entities.3.name` may become
 * `orders.7.buyer.name`.
 */
function readErrors({ errors = [] }: SubgraphResponse, subgraph: string, batches: EntityBatch[]): GraphQLError[] {
  const found: GraphQLError[] = [];
  for (const error of errors) {
    const [key, index, ...rest] = error.path ?? [];
    const batch = batches.find(({ fetch }) => fetch.key === key);
    const receivers = batch && typeof index === 'number' ? batch.receivers[index] : undefined;
    const paths: (ResponsePath | undefined)[] = receivers
      ? receivers.map((receiver) => [
          ...(batch as EntityBatch).pathOf(receiver),
          ...rewritePath(receiver.target.outputRewrites, rest),
        ])
      : batch
        ? uniquePaths(batch.listPaths)
        : [undefined];
    for (const path of paths) {
      if (found.length >= maxErrors) return found;
      found.push(asClientError(error, subgraph, path));
    }
  }
  return found;
}

function uniquePaths(paths: ResponsePath[]): ResponsePath[] {
  return [...new Map(paths.map((path) => [JSON.stringify(path), path])).values()];
}
