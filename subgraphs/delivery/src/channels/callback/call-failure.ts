import { errorCode } from '@voucher-gateway/platform/errors';
import { type AttemptError, type FailedResult, failed } from '../../attempt-result.ts';
import { attemptErrorOf } from './error-codes.ts';

/** Why a call has failed: by the receiver, as a result; or by a fault of ours, as a sentence for the log. */
export type CallFailure = { result: FailedResult } | { fault: string };

/** Errors of a connection. Through a proxy, which resolves the names, only that to the proxy itself can have them. */
const connectErrors: ReadonlySet<AttemptError> = new Set(['CONNECTION_REFUSED', 'DNS_FAILED', 'UNREACHABLE']);
const proxyAuthenticationRequired = 407;

/** Reads the error of a call. @param hasProxy whether it went through the proxy */
export function readCallFailure(error: unknown, hasProxy: boolean): CallFailure {
  const code = errorCode(error);
  if (code === 'EMFILE' || code === 'ENFILE') return { fault: 'No more files can be opened.' };
  if (hasProxy) return readProxyFailure(error);
  if (code === 'NAME_SERVERS_UNAVAILABLE') return { fault: 'No name server answers.' };
  if (isOfLookup(error)) return { result: failed('DNS_FAILED') };
  return { result: failed(attemptErrorOf(error)) };
}

/** All that the proxy itself says is about a tunnel, so a response, whatever its status, is the receiver's. */
function readProxyFailure(error: unknown): CallFailure {
  const message = error instanceof Error ? error.message : '';
  // undici has the status with which a tunnel was refused only in its message.
  const [, tunnel] = /^Proxy response \((\d{3})\)/.exec(message) ?? [];
  if (Number(tunnel) === proxyAuthenticationRequired) return { fault: 'The proxy refuses our credentials.' };
  if (tunnel !== undefined) return { result: failed(tunnel === '403' ? 'ADDRESS_REFUSED' : 'UNREACHABLE') };
  const attemptError = attemptErrorOf(error);
  return connectErrors.has(attemptError)
    ? { fault: 'The proxy can not be reached.' }
    : { result: failed(attemptError) };
}

/** Whether an error is that of a query of c-ares, whose codes partly are those of connections. */
function isOfLookup(error: unknown): boolean {
  const { syscall } = error as { syscall?: unknown };
  return typeof syscall === 'string' && syscall.startsWith('query');
}
