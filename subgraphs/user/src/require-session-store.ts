import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/** Answers an outage of the store, and any failure that has no code, as SESSION_STORE_UNAVAILABLE (retryable). */
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
