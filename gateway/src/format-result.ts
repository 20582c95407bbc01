import { createErrorFormatter } from '@voucher-gateway/platform/graphql-errors';
import type { Log } from '@voucher-gateway/platform/log';
import { type ExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { InvalidDocument } from './operations/operation-error.ts';

/** An answer as it goes over the wire. */
export interface FormattedResult {
  data?: unknown;
  errors?: readonly GraphQLFormattedError[];
  extensions?: unknown;
}

/** Makes the functions that turn results and errors into what a client may see of them. */
export function createResultFormatter(log: Log) {
  const format = createErrorFormatter(log);
  const formatErrors = (errors: readonly GraphQLError[]): readonly GraphQLFormattedError[] =>
    errors.map((error) => format(error.toJSON?.() ?? error, error));
  return {
    formatResult(result: ExecutionResult): FormattedResult {
      return result.errors ? { ...result, errors: formatErrors(result.errors) } : result;
    },
    /** What was thrown: all that a document has, or the one error. */
    formatErrors(thrown: unknown): readonly GraphQLFormattedError[] {
      return formatErrors(thrown instanceof InvalidDocument ? thrown.errors : [wrapped(thrown)]);
    },
  };
}

export type ResultFormatter = ReturnType<typeof createResultFormatter>;

/** What was thrown as a GraphQL error, for the error formatter to read: one that is none stands in `originalError`. */
function wrapped(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error;
  // Anything may be thrown, null included.
  const originalError = error instanceof Error ? error : new Error(String(error));
  return new GraphQLError(originalError.message, { originalError });
}
