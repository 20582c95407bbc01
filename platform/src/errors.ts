/**
 * The internal error codes. The public codes (GraphQL, REST) are in schema/src/error-codes.ts; both are documented in
 * docs/errors.md.
 */
export const platformErrorCodes = [
  'COMMIT_UNKNOWN',
  'CONFIG_INVALID',
  'CONNECTORS_UNSUPPORTED',
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
  'SECRET_ALTERED',
  'SECRETS_KEY_WRONG',
  'TOPICS_UNAVAILABLE',
  'TOPIC_RECREATED',
  'TOPIC_VALUE_INVALID',
  'TOPIC_VALUE_TOO_LARGE',
] as const;
export type PlatformErrorCode = (typeof platformErrorCodes)[number];

export interface CodedErrorOptions {
  /** The underlying error. Logged, never sent to a client. */
  cause?: unknown;
  /** True if the same call may succeed later. Default: false. */
  retryable?: boolean;
  /** Time in milliseconds after which retries can no longer help. Default: no limit. */
  retryForMs?: number;
  /** Further public data, copied into a GraphQL error's extensions or a problem document. */
  details?: Record<string, unknown>;
}

/**
 * An error with a stable code, a message that clients may see, and a flag that says whether a retry can help.
 *
 * @example throw new CodedError<PublicErrorCode>('FORBIDDEN', 'This phone number is not yours.');
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

/**
 * Whether an error is a CodedError, optionally of one code. Errors of another copy of this module are also recognised.
 */
export function isCodedError<Code extends string>(error: unknown, code?: Code): error is CodedError<Code> {
  return (
    error instanceof Error && error.name === 'CodedError' && (code === undefined || (error as CodedError).code === code)
  );
}

/** Lists an error and its causes, outermost first; empty for a thrown value that is not an error. */
export function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) causes.push(cause);
  return causes;
}

/**
 * Finds the first CodedError among an error and its causes. Libraries wrap errors: drizzle, for example, wraps the
 * errors of the driver.
 */
export function codedCause(error: unknown): CodedError | null {
  return causesOf(error).find((cause) => isCodedError(cause)) ?? null;
}

/** Whether the first CodedError among an error and its causes is retryable; false if there is none. */
export function isRetryable(error: unknown): boolean {
  return codedCause(error)?.retryable ?? false;
}

/** Codes for an outage of the database, the broker or the key-value store. Clients see SERVICE_UNAVAILABLE. */
const outages: ReadonlySet<string> = new Set<PlatformErrorCode>([
  'COMMIT_UNKNOWN',
  'DATABASE_UNAVAILABLE',
  'KEY_VALUE_UNAVAILABLE',
  'TOPICS_UNAVAILABLE',
  'TOPIC_RECREATED',
]);

/** Codes that clients do not see. Outages become SERVICE_UNAVAILABLE, and all other internal codes are masked. */
const internalCodes: ReadonlySet<string> = new Set(platformErrorCodes);

const unavailableMessages = {
  KEY_VALUE_UNAVAILABLE: 'The key-value store does not answer.',
  TOPICS_UNAVAILABLE: 'The broker does not answer.',
} as const satisfies Partial<Record<PlatformErrorCode, string>>;

/**
 * Runs a call to the key-value store or the broker, and converts a failure to a retryable error with `code`.
 * DATABASE_UNAVAILABLE is also converted, because the embedded store and broker keep their data in the database. Any
 * other CodedError is rethrown unchanged.
 */
export async function orUnavailable<T>(
  code: keyof typeof unavailableMessages,
  work: () => PromiseLike<T>,
): Promise<Awaited<T>> {
  try {
    return await work();
  } catch (cause) {
    if (isCodedError(cause) && cause.code !== 'DATABASE_UNAVAILABLE') throw cause;
    throw new CodedError(code, unavailableMessages[code], { cause, retryable: true });
  }
}

/** Finds the first outage (a code in `outages`) among an error and its causes; null if there is none. */
export function outageOf(error: unknown): CodedError | null {
  const coded = causesOf(error).filter((cause) => isCodedError(cause));
  return coded.find(({ code }) => outages.has(code)) ?? null;
}

/**
 * Returns the error that a client may see. An error with a public code is returned unchanged, and an outage as
 * SERVICE_UNAVAILABLE (retryable). For any other error the result is null.
 */
export function publicError(error: unknown): CodedError | null {
  if (isCodedError(error) && !internalCodes.has(error.code)) return error;
  const coded = codedCause(error);
  if (!coded || !outages.has(coded.code)) return null;
  if (isCodedError<PlatformErrorCode>(coded, 'COMMIT_UNKNOWN'))
    return new CodedError('SERVICE_UNAVAILABLE', 'The outcome is unknown; check it, or repeat the request safely.', {
      cause: error,
      retryable: true,
      details: { outcome: 'unknown' },
    });
  return new CodedError('SERVICE_UNAVAILABLE', 'The service is unavailable at the moment; try again.', {
    cause: error,
    retryable: true,
  });
}

/** Returns an error's code for the log: our code, the system's (`ECONNREFUSED`), or the name of its class. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}
