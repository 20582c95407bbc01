import { errorCode, isCodedError } from '@voucher-gateway/platform/errors';
import { type FailedResult, failed } from '../../attempt-result.ts';
import { attemptErrorOf } from './error-codes.ts';

/**
 * Why a call has failed. `result` means that the receiver is at fault. `fault` means that our side is at fault, and is
 * a sentence for the log.
 */
export type CallFailure = { result: FailedResult } | { fault: string };

/** Returns who is at fault for the error of a call: the receiver, or our side. */
export function readCallFailure(error: unknown): CallFailure {
  const code = errorCode(error);
  if (code === 'EMFILE' || code === 'ENFILE') return { fault: 'No more files can be opened.' };
  if (code === 'NAME_SERVERS_UNAVAILABLE') return { fault: 'No name server answers.' };
  if (isCodedError(error, 'PROXY_UNAVAILABLE')) return { fault: error.message };
  if (isOfLookup(error)) return { result: failed('DNS_FAILED') };
  return { result: failed(attemptErrorOf(error)) };
}

/**
 * Whether an error was caused by a DNS query. The error's code does not show this, because DNS queries and connections
 * share some codes.
 */
function isOfLookup(error: unknown): boolean {
  const { syscall } = error as { syscall?: unknown };
  return typeof syscall === 'string' && syscall.startsWith('query');
}
