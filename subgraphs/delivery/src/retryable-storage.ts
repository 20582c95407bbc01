import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';

/**
 * Runs work on the database for a consumer: what the database throws becomes retryable, so that an outage delays
 * a message and does not send it to dead-letter. Data that it will never take (SQLSTATE classes 22 and 23) stays
 * as it is.
 *
 * @throws CodedError DATABASE_UNAVAILABLE (retryable)
 */
export async function retryableStorage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isCodedError(error) || /^2[23]/.test(sqlState(error))) throw error;
    throw new CodedError('DATABASE_UNAVAILABLE', 'The database did not take it.', { cause: error, retryable: true });
  }
}

/** The database's error code (SQLSTATE); an empty string where there is none. */
function sqlState(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code;
  }
  return '';
}
