import type { GatewayContext } from '../context.ts';
import type { JsonResult } from '../execution/response/json-result.ts';
import type { ExecutableOperation } from '../federation/federation.ts';
import type { Plan } from '../planning/plan.ts';

export type Execute<Operation extends ExecutableOperation> = (
  operation: Operation,
  context: GatewayContext,
) => Promise<JsonResult>;

/** Longer keys are not compared: the operation is executed alone. */
const maxKeyLength = 8_192;

/** An execution for all clients that have sent the same query meanwhile. */
interface SharedRead {
  result: Promise<JsonResult>;
  /** Clients that wait for it. */
  waiting: number;
  /** Aborted when all of them have left. */
  left: AbortController;
}

/**
 * Executes equal queries that are in flight once. Equal are those of the same operation, with the same variables, the same
 * authorization header, and the same value of each header that subgraphs get, the client's address included; only the
 * request id is that of the first. A query whose subgraphs' headers are passed back is executed alone.
 */
export function createSharedReads<Operation extends ExecutableOperation>(
  execute: Execute<Operation>,
): Execute<Operation> {
  // Equal operations have the same plan while it is cached.
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
    // Nobody may join an execution that is being aborted.
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
    const key = keyOf(operation, context);
    if (key === null) return execute(operation, context);
    context.place?.[Symbol.dispose]();
    const shared = inFlight.get(operation.plan)?.get(key) ?? start(operation, context, key);
    return waitFor(shared, context.signal);
  };
}

/** What has to be equal besides the operation; null for what is executed alone. */
function keyOf({ definition, variables }: ExecutableOperation, context: GatewayContext): string | null {
  const { authorization, clientAddress, headers = [], onSubgraphHeaders, trace } = context;
  if (definition.operation !== 'query' || onSubgraphHeaders || trace) return null;
  const key = JSON.stringify([authorization, clientAddress, headers, variables]);
  return key.length > maxKeyLength ? null : key;
}
