import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/** Creates the retryable error of a subgraph that currently can't serve a subscription. */
export function subgraphUnavailable(message: string): CodedError {
  return new CodedError<PublicErrorCode>('SUBGRAPH_UNAVAILABLE', message, { retryable: true });
}
