import type { GraphQLError } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { type DeferredParts, JsonResult } from '../execution/response/json-result.ts';
import type { ResponseLimit } from '../execution/response/output.ts';
import type { ExecutableOperation, Federation } from '../federation/federation.ts';
import type { PlanVariant } from '../planning/plan.ts';
import type { LimitGuard } from '../request/limits.ts';
import type { LoopShare } from '../scheduling/loop-share.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';
import { estimateBytes } from './response-size.ts';

/** A planned operation, with the federation that planned it. */
interface PlannedOperation extends ExecutableOperation {
  text: string;
  variant: PlanVariant;
  federation: Federation;
}

export interface ExecuteOptions {
  /** Limit of a response's bytes, over all its parts. */
  maxBytes: number;
  guard: LimitGuard;
  /** Limits the event loop's time for executing large operations. */
  loopShare: LoopShare;
}

/**
 * An operation with more than this number of selections is large. A large operation waits until `loopShare` has time
 * for it.
 */
const maxSmallSelections = 500;
/** Measured time that one selection takes on the event loop, from request to response. */
const msPerSelection = 0.001;
/**
 * Upper limit of the estimated time for one operation. In measure mode an operation may have millions of selections.
 * Without the limit, such an operation would delay all later large operations for a long time.
 */
const maxFollowingMs = 100;

/** Creates `Operations.execute`. */
export function createExecute({ maxBytes, guard, loopShare }: ExecuteOptions) {
  const responseLimit: ResponseLimit = { maxBytes, exceed: () => guard.exceed('MAX_RESPONSE_BYTES') };
  return async (operation: PlannedOperation, context: GatewayContext): Promise<JsonResult> => {
    const { selections, text } = operation;
    if (selections > maxSmallSelections)
      await loopShare.run(() => {}, {
        requester: requesterOf(context),
        bytes: 2 * text.length,
        followingMs: Math.min(selections * msPerSelection, maxFollowingMs),
      });
    context.place?.[Symbol.dispose]();
    // A response that depends on the client's rights must not be cached for other clients.
    if (context.identity && operation.variant.grants) context.restrictCaching?.('private');
    let isComplete = false;
    try {
      const result = await operation.federation.execute(operation, context, responseLimit);
      const left = maxBytes - bytesOf(result.dataJson, result.errors, maxBytes);
      if (left < 0) responseLimit.exceed();
      if (result.deferred) return limitDeferred(result, result.deferred, left, responseLimit);
      isComplete = !result.errors;
      return result;
    } finally {
      if (!isComplete) context.restrictCaching?.('no-store');
    }
  };
}

/**
 * Returns the size of data and errors. The size of the errors is estimated. Estimating stops once the sum exceeds
 * `maxBytes`.
 */
function bytesOf(dataJson: string, errors: readonly GraphQLError[] | undefined, maxBytes: number): number {
  const bytes = Buffer.byteLength(dataJson);
  return errors && errors.length > 0 && bytes <= maxBytes ? bytes + estimateBytes(errors, maxBytes - bytes) : bytes;
}

/** Limits the bytes of a result's deferred parts. */
function limitDeferred(
  { dataJson, errors = [] }: JsonResult,
  { chunks, settled }: DeferredParts,
  maxBytes: number,
  { exceed }: ResponseLimit,
): JsonResult {
  const limit = async function* () {
    let left = maxBytes;
    // In measure mode `exceed` only logs, and the loop continues. The flag prevents further log lines for the same
    // response.
    let isExceeded = false;
    for await (const chunk of chunks) {
      for (const { dataJson, errors } of chunk.parts) {
        left -= bytesOf(dataJson, errors, left);
        if (isExceeded || left >= 0) continue;
        isExceeded = true;
        exceed();
      }
      yield chunk;
    }
  };
  return new JsonResult(dataJson, errors, { chunks: limit(), settled });
}
