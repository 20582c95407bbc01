import { type GraphQLSchema, parse } from 'graphql';
import { copyData, type Data, mergeData } from '../data/data.ts';
import { objectsAt, pathToList, type ResponsePath } from '../data/paths.ts';
import { readRequestedKeys } from '../data/requested-keys.ts';
import type { Step } from '../steps/steps.ts';
import { asClientError, asFetchErrors } from '../subgraph/subgraph-errors.ts';
import { rootResponseKeys, type SubgraphError, type SubgraphResponse } from '../subgraph/subgraph-response.ts';
import { compileRequest } from './request-body.ts';
import { applyRewrites, rewritePath } from './rewrites.ts';
import type { Run } from './run.ts';

const none: readonly SubgraphError[] = [];

/**
 * Compiles a step that fetches fields of a root type such as `Query`. These fields are at the operation's root, or in a
 * field that returns the root type.
 */
export function compileFieldStep(schema: GraphQLSchema, step: Step) {
  const { subgraph, path, outputRewrites, query } = step;
  const writeRequest = compileRequest(step);
  // Output rewrites rename keys, so the keys of the response can't be compared with the requested keys.
  const requested = outputRewrites?.length ? null : readRequestedKeys(query);
  const parent = pathToList(path);
  const isInList = path.includes('@');
  /**
   * Converts an error's path in the subgraph's response to a path in the client's response. If the step's objects are
   * in a list, all of them share the error. The path then ends at the list.
   */
  const pathOf = (below: readonly (string | number)[]): ResponsePath => (isInList ? parent : [...parent, ...below]);

  return async (run: Run): Promise<void> => {
    const objects = path.length === 0 ? [run.data] : objectsAt(run.data, path);
    if (objects.length === 0) return;
    let response: SubgraphResponse;
    try {
      response = await run.send(subgraph, writeRequest(run.variables, []));
    } catch (error) {
      const paths = rootResponseKeys(parse(query), run.variables).map((key) => pathOf([key]));
      run.errors.push(...asFetchErrors(error, isInList ? [parent] : paths));
      return;
    }
    const { data, errors } = response;
    for (const error of errors ?? none)
      run.errors.push(asClientError(error, subgraph, error.path && pathOf(rewritePath(outputRewrites, error.path))));
    if (!data) return;
    if (outputRewrites) applyRewrites(schema, outputRewrites, data);
    const last = objects.length - 1;
    for (let index = 0; index < last; index += 1)
      mergeData(objects[index] as Data, copyData(data, run.countCopy), requested, run.onConflict);
    mergeData(objects[last] as Data, data, requested, run.onConflict);
  };
}
