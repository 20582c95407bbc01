import { CodedError, isCodedError } from '../errors.ts';

/**
 * SQLSTATE classes and codes for which the database, and not the statement, is at fault: connections, sign-in,
 * a database that is not there, is read-only or short of something, locks, permissions, its own faults.
 */
const outages = /^(08|28|3D|53|57|58|XX|25006|25P03|40001|40P01|42501|55P03)/;

/** The database's own error code, or null for an error that did not come from it; of `pg` as of PGlite. */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('severity' in error)) return null;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : null;
}

/** The database's error as a retryable one where it is away, or short of something; null for any other. */
export function toOutage(error: unknown): CodedError | null {
  const sqlState = sqlStateOf(error);
  return sqlState !== null && outages.test(sqlState) ? outage(error, sqlState) : null;
}

export function outage(cause: unknown, sqlState: string | null): CodedError {
  return new CodedError('DATABASE_UNAVAILABLE', messageOf(sqlState), { cause, retryable: true });
}

function messageOf(sqlState: string | null): string {
  if (sqlState === '25006') return 'The database takes no changes.';
  if (sqlState === '53100') return "The database's disk is full.";
  return 'The database does not answer.';
}

/** An error whose cause is an outage, with that as its cause: as drizzle wraps those of its statements. */
export function withOutageCause(error: unknown): unknown {
  if (!(error instanceof Error) || isCodedError(error)) return error;
  const found = toOutage(error.cause);
  if (found) error.cause = found;
  return toOutage(error) ?? error;
}
