/**
 * What a failure is, wherever it is caught: a stable code, a message that may be shown, and whether
 * trying again can help. The public codes (GraphQL, REST) stand in schema/src/error-codes.ts; the codes of the
 * plumbing stand here. Both are documented in docs/errors.md.
 */
export const platformErrorCodes = [
  'COMMIT_UNKNOWN',
  'CONFIG_INVALID',
  'CONSUMER_NOT_JOINED',
  'CONSUMER_STOPPED',
  'DATABASE_UNAVAILABLE',
  'DATA_DIR_CORRUPT',
  'DATA_DIR_LOCKED',
  'DATA_DIR_UNWRITABLE',
  'ENGINE_MISSING',
  'KEY_VALUE_UNAVAILABLE',
  'NESTED_DATABASE_USE',
  'PORT_TAKEN',
  'TOPICS_UNAVAILABLE',
  'TOPIC_RECREATED',
  'TOPIC_VALUE_INVALID',
  'TOPIC_VALUE_TOO_LARGE',
] as const;
export type PlatformErrorCode = (typeof platformErrorCodes)[number];

export interface CodedErrorOptions {
  /** What led here. Logged, never sent to a client. */
  cause?: unknown;
  /** True where the same call may succeed later. Default: false. */
  retryable?: boolean;
  /** For how long trying again can help, in milliseconds. Default: as long as it takes. */
  retryForMs?: number;
  /** Further public facts, copied into a GraphQL error's extensions or a problem document. */
  details?: Record<string, unknown>;
}

/**
 * An error with a stable code.
 *
 * @example
 * throw new CodedError<PublicErrorCode>('FORBIDDEN', 'This phone number is not yours.');
 */
export class CodedError<Code extends string = string> extends Error {
  override readonly name = 'CodedError';
  readonly code: Code;
  readonly retryable: boolean;
  readonly retryForMs: number;
  readonly details: Record<string, unknown>;

  constructor(code: Code, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryForMs = options.retryForMs ?? Number.POSITIVE_INFINITY;
    this.details = options.details ?? {};
  }
}

/** True for a CodedError, of one code where `code` is given. Safe over two copies of this module. */
export function isCodedError<Code extends string>(error: unknown, code?: Code): error is CodedError<Code> {
  return (
    error instanceof Error && error.name === 'CodedError' && (code === undefined || (error as CodedError).code === code)
  );
}

/** The coded error that an error is or wraps, nearest first: a query builder wraps what its driver throws. */
export function codedCause(error: unknown): CodedError | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (isCodedError(cause)) return cause;
  return null;
}

/** Whether trying the same thing again can help: data on the error, never a guess where it is caught. */
export function isRetryable(error: unknown): boolean {
  return codedCause(error)?.retryable ?? false;
}

/** Engines that are away: for a client, the service is. */
const outages: ReadonlySet<string> = new Set<PlatformErrorCode>([
  'COMMIT_UNKNOWN',
  'DATABASE_UNAVAILABLE',
  'KEY_VALUE_UNAVAILABLE',
  'TOPICS_UNAVAILABLE',
  'TOPIC_RECREATED',
]);

/** The engine's outage that an error is or wraps, or null. */
export function outageOf(error: unknown): CodedError | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (isCodedError(cause) && outages.has(cause.code)) return cause;
  return null;
}

/**
 * What a client may know of an error: a coded one as it is, an engine's outage as SERVICE_UNAVAILABLE
 * (retryable), null for anything else.
 */
export function publicError(error: unknown): CodedError | null {
  if (isCodedError(error) && !outages.has(error.code)) return error;
  const coded = codedCause(error);
  if (!coded || !outages.has(coded.code)) return null;
  if (isCodedError<PlatformErrorCode>(coded, 'COMMIT_UNKNOWN'))
    return new CodedError('SERVICE_UNAVAILABLE', 'Whether it was done is not known; find out, or repeat it safely.', {
      cause: error,
      retryable: true,
      details: { outcome: 'unknown' },
    });
  return new CodedError('SERVICE_UNAVAILABLE', 'The service is away at the moment; try again.', {
    cause: error,
    retryable: true,
  });
}

/** An error's code for a log line: ours, the system's (`ECONNREFUSED`), or its class name. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}
