import { CodedError, errorCode } from '@voucher-gateway/platform/errors';
import { formatPublicError, originalOf } from '@voucher-gateway/platform/graphql/error-formatter';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { InvalidDocument } from '../request/invalid-document.ts';

/** Replaces internal errors with coded errors that clients may see, and logs them with the request's id. */
export interface FailureMask {
  maskErrors(errors: readonly GraphQLError[], context: GatewayContext): readonly GraphQLError[];
  /** Returns the error to throw in place of `error`. */
  maskThrown(error: unknown, context: GatewayContext): unknown;
}

export function createFailureMask(log: Log): FailureMask {
  const lines = createRepeatedLines(log);
  /** Logs a failure. Repeated failures are logged as one summary line. For details see the log of the subgraph. */
  const report = (error: unknown, { requestId }: GatewayContext, fields: object = {}) => {
    const original = originalOf(error);
    const subgraph = error instanceof GraphQLError ? error.extensions.serviceName : undefined;
    lines.error(
      `${String(subgraph)} ${errorCode(original)}`,
      { requestId, ...(typeof subgraph === 'string' && { subgraph }), error: original, ...fields },
      'an operation failed',
    );
  };

  return {
    maskErrors(errors, context) {
      let failures = 0;
      return errors.map((error) => {
        if (formatPublicError(toFormatted(error), error)) return error;
        // Only the first failure of a response is logged.
        if (failures === 0) report(error, context, { path: error.path });
        failures += 1;
        return new GraphQLError(internal().message, { path: error.path, originalError: internal() });
      });
    },
    maskThrown(error, context) {
      if (error instanceof InvalidDocument || isPublic(error)) return error;
      report(error, context);
      return internal();
    },
  };
}

const internal = () => new CodedError<PublicErrorCode>('INTERNAL_SERVER_ERROR', 'Something went wrong on our side.');

function isPublic(error: unknown): boolean {
  const message = error instanceof Error ? error.message : '';
  return formatPublicError(error instanceof GraphQLError ? error.toJSON() : { message }, error) !== null;
}

/** Converts an error to its JSON form. Plain objects, or errors of another copy of graphql-js, may lack `toJSON`. */
function toFormatted(error: GraphQLError) {
  return error.toJSON?.() ?? error;
}
