import { CodedError, isCodedError } from '../errors.ts';

/**
 * SQLSTATE classes and codes for a fault of the database, not of the statement. They concern connections, sign-in, a
 * missing or read-only database, lack of resources, locks, permissions, and internal errors.
 */
const outages = /^(08|28|3D|53|57|58|XX|25006|25P03|40001|40P01|42501|55P03)/;

/** The SQLSTATE of an error of the database, with `pg` and PGlite; null for any other error. */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('severity' in error)) return null;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : null;
}

/** Converts a database error that means an outage to a retryable error. Returns null for any other error. */
export function toOutage(error: unknown): CodedError | null {
  const sqlState = sqlStateOf(error);
  return sqlState !== null && outages.test(sqlState) ? outage(error, sqlState) : null;
}

export function outage(cause: unknown, sqlState: string | null): CodedError {
  return new CodedError('DATABASE_UNAVAILABLE', messageOf(sqlState), { cause, retryable: true });
}

function messageOf(sqlState: string | null): string {
  if (sqlState === '25006') return 'The database is read-only.';
  if (sqlState === '53100') return "The database's disk is full.";
  return 'The database does not answer.';
}

/**
 * Converts an outage to a retryable error. The outage may also be the cause of the error, because drizzle wraps the
 * errors of its statements.
 */
export function withOutageCause(error: unknown): unknown {
  if (!(error instanceof Error) || isCodedError(error)) return error;
  const found = toOutage(error.cause);
  if (found) error.cause = found;
  return toOutage(error) ?? error;
}
