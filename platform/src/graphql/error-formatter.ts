import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { publicError } from '../errors.ts';
import type { Log } from '../process/log.ts';

/**
 * Returns Apollo's error formatter. A coded error keeps its message, code, details and `retryable`; Apollo's request
 * errors stay unchanged. All other errors are logged and masked as INTERNAL_SERVER_ERROR.
 */
export function createErrorFormatter(log: Log) {
  return (formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError => {
    const shown = formatPublicError(formatted, thrown);
    if (shown) return shown;
    const { path } = formatted;
    log.error({ error: originalOf(thrown), path }, 'a resolver failed');
    return {
      message: 'Something went wrong on our side.',
      ...placeOf(formatted),
      extensions: { code: 'INTERNAL_SERVER_ERROR' },
    };
  };
}

/** Returns an error as clients may see it, or null if it must be masked. */
export function formatPublicError(formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError | null {
  const original = originalOf(thrown);
  const { path } = formatted;
  const place = placeOf(formatted);
  const coded = publicError(original);
  if (coded) {
    const { code, message, retryable, details } = coded;
    return { message, ...place, extensions: { ...details, code, ...(retryable && { retryable }) } };
  }
  const extensions = Object.fromEntries(
    Object.entries(formatted.extensions ?? {}).filter(([name]) => !internalExtensions.has(name)),
  );
  const known = extensions.code !== undefined && !internalCodes.has(extensions.code);
  if (known) return { message: formatted.message, ...place, extensions };
  // If a variable does not fit its type, graphql-js reports an error without a code.
  if (original instanceof GraphQLError && original.originalError === undefined && path === undefined)
    return { message: formatted.message, ...place, extensions: { ...extensions, code: 'BAD_USER_INPUT' } };
  return null;
}

/**
 * Codes that Apollo Server and Apollo's federated executor give to errors without a code. Errors with these codes are
 * masked.
 */
const internalCodes: ReadonlySet<unknown> = new Set(['INTERNAL_SERVER_ERROR', 'DOWNSTREAM_SERVICE_ERROR']);
/** Error extensions that servers add for their developers, and that clients must not see. */
const internalExtensions: ReadonlySet<string> = new Set([
  ...['exception', 'stacktrace', 'stack', 'trace', 'debug', 'debugMessage', 'originalError', 'sql', 'query'],
]);

/** The error that a resolver threw, without GraphQL's wrapping. */
export function originalOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'originalError' in thrown && thrown.originalError ? thrown.originalError : thrown;
}

function placeOf({ locations, path }: GraphQLFormattedError) {
  return { ...(locations && { locations }), ...(path && { path }) };
}

/**
 * Converts a public error to a GraphQL error of the whole request, with the HTTP status of its code. Any other error is
 * returned unchanged.
 */
export function toRequestError(error: unknown, statusOf: (code: string) => number): unknown {
  const coded = publicError(error);
  if (!coded) return error;
  const { code, message, retryable, details } = coded;
  return new GraphQLError(message, {
    extensions: { ...details, code, ...(retryable && { retryable }), http: { status: statusOf(code) } },
  });
}
