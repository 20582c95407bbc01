import { createErrorFormatter } from '@voucher-gateway/platform/graphql/error-formatter';
import type { Log } from '@voucher-gateway/platform/process/log';
import { type ExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { DeferredChunk, DeferredPart } from './execution/response/deferred-parts.ts';
import { JsonResult } from './execution/response/json-result.ts';
import { InvalidDocument } from './request/invalid-document.ts';

/** A result in the form that clients get. */
export interface FormattedResult {
  data?: unknown;
  errors?: readonly GraphQLFormattedError[];
  extensions?: unknown;
}

/** Creates the functions that format results and errors for clients. The functions mask internal errors. */
export function createResultFormatter(log: Log) {
  const format = createErrorFormatter(log);
  const formatErrors = (errors: readonly GraphQLError[]): readonly GraphQLFormattedError[] =>
    errors.map((error) => format(error.toJSON?.() ?? error, error));
  const stringifyResult = ({ errors, dataJson }: JsonResult, after = '') =>
    `{${errors ? `"errors":${JSON.stringify(formatErrors(errors))},` : ''}"data":${dataJson}${after}}`;
  const stringifyPart = ({ label, path, dataJson, errors }: DeferredPart) =>
    `{${label === null ? '' : `"label":${JSON.stringify(label)},`}"path":${JSON.stringify(path)},` +
    `${errors.length > 0 ? `"errors":${JSON.stringify(formatErrors(errors))},` : ''}"data":${dataJson}}`;
  const formatResult = (result: ExecutionResult): FormattedResult =>
    result.errors ? { ...result, errors: formatErrors(result.errors) } : result;
  return {
    formatResult,
    /** Formats the errors of a result. */
    formatResultErrors: formatErrors,
    /** Writes a result as JSON, with its errors formatted. */
    stringify(result: ExecutionResult): string {
      return result instanceof JsonResult ? stringifyResult(result) : JSON.stringify(formatResult(result));
    },
    /** Writes the initial payload of a result with `@defer`. */
    stringifyPrimary: (result: JsonResult) => stringifyResult(result, `,"hasNext":${result.deferred !== null}`),
    /** Writes a chunk of deferred parts as one subsequent payload. */
    stringifyChunk: ({ parts, hasNext }: DeferredChunk) =>
      `{"incremental":[${parts.map(stringifyPart).join()}],"hasNext":${hasNext}}`,
    /** Formats a thrown value. An invalid document may have several errors; any other value becomes one error. */
    formatErrors(thrown: unknown): readonly GraphQLFormattedError[] {
      return formatErrors(thrown instanceof InvalidDocument ? thrown.errors : [wrapped(thrown)]);
    },
  };
}

export type ResultFormatter = ReturnType<typeof createResultFormatter>;

/** Wraps a thrown value in a GraphQL error, because the formatter expects the thrown value in `originalError`. */
function wrapped(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error;
  // JavaScript code may throw any value, even null.
  const originalError = error instanceof Error ? error : new Error(String(error));
  return new GraphQLError(originalError.message, { originalError });
}
