import { errorCode } from '@voucher-gateway/platform/errors';
import type { AttemptError } from '../../attempt-result.ts';

const codes: Record<string, AttemptError> = {
  ADDRESS_REFUSED: 'ADDRESS_REFUSED',
  ECONNREFUSED: 'CONNECTION_REFUSED',
  ECONNRESET: 'CONNECTION_LOST',
  EPIPE: 'CONNECTION_LOST',
  UND_ERR_SOCKET: 'CONNECTION_LOST',
  UND_ERR_CLOSED: 'CONNECTION_LOST',
  ENOTFOUND: 'DNS_FAILED',
  ETIMEDOUT: 'TIMEOUT',
  TimeoutError: 'TIMEOUT',
  UND_ERR_CONNECT_TIMEOUT: 'TIMEOUT',
  UND_ERR_HEADERS_TIMEOUT: 'TIMEOUT',
  UND_ERR_BODY_TIMEOUT: 'TIMEOUT',
  EHOSTUNREACH: 'UNREACHABLE',
  ENETUNREACH: 'UNREACHABLE',
  EADDRNOTAVAIL: 'UNREACHABLE',
  ERR_INVALID_URL: 'URL_INVALID',
  UND_ERR_INVALID_ARG: 'URL_INVALID',
  UND_ERR_HEADERS_OVERFLOW: 'RESPONSE_INVALID',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'RESPONSE_INVALID',
  EPROTO: 'TLS_FAILED',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'TLS_FAILED',
  SELF_SIGNED_CERT_IN_CHAIN: 'TLS_FAILED',
  UNABLE_TO_GET_ISSUER_CERT: 'TLS_FAILED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'TLS_FAILED',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'TLS_FAILED',
  HOSTNAME_MISMATCH: 'TLS_FAILED',
  HTTPParserError: 'RESPONSE_INVALID',
};

/** Maps an error of undici, the network, TLS or DNS to the code that a client sees. */
export function attemptErrorOf(error: unknown): AttemptError {
  const code = errorCode(error);
  const mapped = codes[code];
  if (mapped) return mapped;
  if (code.startsWith('EAI_')) return 'DNS_FAILED';
  if (/^(ERR_TLS|ERR_SSL|CERT_)/.test(code)) return 'TLS_FAILED';
  if (code.startsWith('HPE_')) return 'RESPONSE_INVALID';
  return 'SEND_FAILED';
}
