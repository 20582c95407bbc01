import { createErrorFormatter } from '@voucher-gateway/platform/graphql/error-formatter';
import type { Log } from '@voucher-gateway/platform/process/log';
import { type ExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { JsonResult } from './execution/response/json-result.ts';
import { InvalidDocument } from './request/invalid-document.ts';

/** A result as it is sent. */
export interface FormattedResult {
  data?: unknown;
  errors?: readonly GraphQLFormattedError[];
  extensions?: unknown;
}

/** Creates the functions that format results and errors for clients; internal errors are masked. */
export function createResultFormatter(log: Log) {
  const format = createErrorFormatter(log);
  const formatErrors = (errors: readonly GraphQLError[]): readonly GraphQLFormattedError[] =>
    errors.map((error) => format(error.toJSON?.() ?? error, error));
  const formatResult = (result: ExecutionResult): FormattedResult =>
    result.errors ? { ...result, errors: formatErrors(result.errors) } : result;
  return {
    formatResult,
    /** The errors of a result. */
    formatResultErrors: formatErrors,
    /** The JSON text of a formatted result. */
    stringify(result: ExecutionResult): string {
      if (!(result instanceof JsonResult)) return JSON.stringify(formatResult(result));
      const { errors, dataJson } = result;
      return `{${errors ? `"errors":${JSON.stringify(formatErrors(errors))},` : ''}"data":${dataJson}}`;
    },
    /** The errors for a thrown value: all faults of an invalid document, or one. */
    formatErrors(thrown: unknown): readonly GraphQLFormattedError[] {
      return formatErrors(thrown instanceof InvalidDocument ? thrown.errors : [wrapped(thrown)]);
    },
  };
}

export type ResultFormatter = ReturnType<typeof createResultFormatter>;

/** Wraps a thrown value in a GraphQL error for the formatter, as its `originalError`. */
function wrapped(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error;
  // Anything may be thrown, null included.
  const originalError = error instanceof Error ? error : new Error(String(error));
  return new GraphQLError(originalError.message, { originalError });
}
