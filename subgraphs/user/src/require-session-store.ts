import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/** Converts an outage of the store, and any error without a code, to SESSION_STORE_UNAVAILABLE (retryable). */
export async function requireSessionStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isCodedError(error) && error.code !== 'KEY_VALUE_UNAVAILABLE') throw error;
    throw new CodedError<PublicErrorCode>(
      'SESSION_STORE_UNAVAILABLE',
      'Sessions are not available at the moment; try again.',
      { cause: error, retryable: true },
    );
  }
}
