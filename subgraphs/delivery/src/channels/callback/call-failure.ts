import { errorCode } from '@voucher-gateway/platform/errors';
import { type AttemptError, type FailedResult, failed } from '../../attempt-result.ts';
import { attemptErrorOf } from './error-codes.ts';

/**
 * Why a call has failed. `result` means that the receiver is at fault. `fault` is a fault of ours, as a sentence for
 * the log.
 */
export type CallFailure = { result: FailedResult } | { fault: string };

/**
 * Errors of opening a connection. With a proxy, which resolves the names and connects to receivers, only the connection
 * to the proxy can have them.
 */
const connectErrors: ReadonlySet<AttemptError> = new Set(['CONNECTION_REFUSED', 'DNS_FAILED', 'UNREACHABLE']);
const proxyAuthenticationRequired = 407;

/** Reads the error of a call. @param hasProxy whether the call went through the proxy */
export function readCallFailure(error: unknown, hasProxy: boolean): CallFailure {
  const code = errorCode(error);
  if (code === 'EMFILE' || code === 'ENFILE') return { fault: 'No more files can be opened.' };
  if (hasProxy) return readProxyFailure(error);
  if (code === 'NAME_SERVERS_UNAVAILABLE') return { fault: 'No name server answers.' };
  if (isOfLookup(error)) return { result: failed('DNS_FAILED') };
  return { result: failed(attemptErrorOf(error)) };
}

/**
 * Reads the proxy's refusal of a tunnel from an error. Any HTTP response is the receiver's, because all calls go
 * through tunnels.
 */
function readProxyFailure(error: unknown): CallFailure {
  const message = error instanceof Error ? error.message : '';
  // The status with which a tunnel was refused is only in the message of undici's error.
  const [, tunnel] = /^Proxy response \((\d{3})\)/.exec(message) ?? [];
  if (Number(tunnel) === proxyAuthenticationRequired) return { fault: 'The proxy refuses our credentials.' };
  if (tunnel !== undefined) return { result: failed(tunnel === '403' ? 'ADDRESS_REFUSED' : 'UNREACHABLE') };
  const attemptError = attemptErrorOf(error);
  return connectErrors.has(attemptError)
    ? { fault: 'The proxy can not be reached.' }
    : { result: failed(attemptError) };
}

/** Whether an error is of a DNS query. c-ares uses some of the codes that connections have. */
function isOfLookup(error: unknown): boolean {
  const { syscall } = error as { syscall?: unknown };
  return typeof syscall === 'string' && syscall.startsWith('query');
}
