import type { Step } from '../steps/steps.ts';
import type { SubgraphRequest } from '../subgraph/subgraph.ts';

/**
 * Writes the request body of one fetch of the plan, from the client's variables and the JSON of the representations.
 */
export type WriteRequest = (
  variables: Readonly<Record<string, unknown>>,
  /** JSON texts of representations and `@fromContext` arguments, by variable. */
  lists: readonly (readonly [variable: string, json: string])[],
) => SubgraphRequest;

/**
 * Serialises the parts of a fetch's request that are equal for all executions. The returned function writes the request
 * of one execution.
 */
export function compileRequest({ query, operationName, variables: names }: Step): WriteRequest {
  const name = operationName === undefined ? '' : `"operationName":${JSON.stringify(operationName)},`;
  const start = `{"query":${JSON.stringify(query)},${name}"variables":{`;
  const prefixes = names.map((variable) => [variable, `${JSON.stringify(variable)}:`] as const);
  const constant = names.length === 0 ? { query, operationName, body: `${start}}}` } : null;

  return (variables, lists) => {
    if (constant && lists.length === 0) return constant;
    let body = start;
    let separator = '';
    for (const [variable, prefix] of prefixes) {
      const json = Object.hasOwn(variables, variable) ? JSON.stringify(variables[variable]) : undefined;
      if (json === undefined) continue;
      body += separator + prefix + json;
      separator = ',';
    }
    for (const [variable, json] of lists) {
      body += `${separator}"${variable}":${json}`;
      separator = ',';
    }
    return { query, operationName, body: `${body}}}` };
  };
}
