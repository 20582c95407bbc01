import type { GatewayContext } from '../context.ts';
import type { JsonResult } from '../execution/response/json-result.ts';
import type { ExecutableOperation } from '../federation/federation.ts';
import type { Plan } from '../planning/plan.ts';

export type Execute<Operation extends ExecutableOperation> = (
  operation: Operation,
  context: GatewayContext,
) => Promise<JsonResult>;

/**
 * Maximum length of the key of a shared query. Comparing keys takes time, so a query with a longer key is executed
 * alone.
 */
const maxKeyLength = 8_192;

/** One execution, shared by all clients that send the same query while it is in flight. */
interface SharedRead {
  result: Promise<JsonResult>;
  /** Number of clients that wait for the result. */
  waiting: number;
  /** Aborted when all waiting clients have left. */
  left: AbortController;
}

/**
 * Executes equal queries once while they are in flight. Equal queries have the same operation and variables, the same
 * client address, and the same headers for subgraphs, such as `authorization`. Subgraphs get the request id of the
 * first query. A query is not shared if headers of subgraphs are passed back to the client, or if fragments are
 * deferred. A query after a mutation never joins an execution that started before the mutation. Otherwise the client
 * would not see its own change.
 */
export function createSharedReads<Operation extends ExecutableOperation>(
  execute: Execute<Operation>,
): Execute<Operation> {
  // Executions by plan, then by the query's key. Equal operations have the same plan object while the plan is cached.
  const inFlight = new Map<Plan, Map<string, SharedRead>>();

  const start = (operation: Operation, context: GatewayContext, key: string): SharedRead => {
    const { plan } = operation;
    const reads = inFlight.get(plan) ?? new Map<string, SharedRead>();
    inFlight.set(plan, reads);
    const left = new AbortController();
    const forget = () => {
      if (reads.get(key) === shared) reads.delete(key);
      if (reads.size === 0 && inFlight.get(plan) === reads) inFlight.delete(plan);
    };
    const { onWait: _onWait, ...rest } = context;
    const shared: SharedRead = {
      result: execute(operation, { ...rest, signal: left.signal }).finally(forget),
      waiting: 0,
      left,
    };
    reads.set(key, shared);
    // New clients must not join an execution that is being aborted.
    left.signal.addEventListener('abort', forget, { once: true });
    return shared;
  };
  const waitFor = async (shared: SharedRead, signal: AbortSignal): Promise<JsonResult> => {
    const leave = () => {
      shared.waiting -= 1;
      if (shared.waiting === 0) shared.left.abort(signal.reason);
    };
    shared.waiting += 1;
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    try {
      return await shared.result;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  };

  return (operation, context) => {
    if (operation.definition.operation === 'mutation')
      return execute(operation, context).finally(() => inFlight.clear());
    const key = keyOf(operation, context);
    if (key === null) return execute(operation, context);
    context.place?.[Symbol.dispose]();
    const shared = inFlight.get(operation.plan)?.get(key) ?? start(operation, context, key);
    return waitFor(shared, context.signal);
  };
}

/**
 * Returns the key of a query. Queries with the same plan and equal keys share an execution. Null if the query must be
 * executed alone.
 */
function keyOf({ definition, variables, plan }: ExecutableOperation, context: GatewayContext): string | null {
  const { authorization, clientAddress, headers = [], onSubgraphHeaders, trace } = context;
  if (definition.operation !== 'query' || plan.hasDeferred || onSubgraphHeaders || trace) return null;
  const key = JSON.stringify([authorization, clientAddress, headers, variables]);
  return key.length > maxKeyLength ? null : key;
}
