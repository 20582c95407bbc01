import { type AttemptError, type FailedResult, failed } from '../../attempt-result.ts';
import { attemptErrorOf } from './error-codes.ts';

/** Errors of a connection. Through a proxy, which resolves the names, only that to the proxy itself can have them. */
const connectErrors: ReadonlySet<AttemptError> = new Set(['CONNECTION_REFUSED', 'DNS_FAILED', 'UNREACHABLE']);
const proxyAuthenticationRequired = 407;

/**
 * Reads a failure of a call through a proxy. Null: the proxy is at fault, which is ours and not the receiver's: it can't be
 * reached, or refuses our credentials. A response with 407 does not show that, because a receiver may send it: only a tunnel
 * that is refused with it.
 */
export function readProxyFailure(error: unknown): FailedResult | null {
  const status = tunnelStatusOf(error);
  if (status !== null)
    return status === proxyAuthenticationRequired ? null : failed(status === 403 ? 'ADDRESS_REFUSED' : 'UNREACHABLE');
  // Without a tunnel undici throws for this status, whoever has sent it.
  if (messageOf(error).startsWith('Proxy Authentication Required'))
    return failed('HTTP_ERROR', { status: proxyAuthenticationRequired });
  const code = attemptErrorOf(error);
  return connectErrors.has(code) ? null : failed(code);
}

/** The status with which a proxy has refused a tunnel; undici has it only in its message. */
function tunnelStatusOf(error: unknown): number | null {
  const [, status] = /^Proxy response \((\d{3})\)/.exec(messageOf(error)) ?? [];
  return status === undefined ? null : Number(status);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}
