import type { Socket } from 'node:net';
import { errorCode } from '../errors.ts';

/**
 * Responds to an error of Node's HTTP parser, or to a request time-out, with a problem document, and closes the
 * connection. Fastify does not see these errors, because there is no complete request.
 */
export function answerClientError(error: Error, socket: Socket): void {
  if (socket.writable && errorCode(error) !== 'ECONNRESET') {
    const [status, reason, code, title] = describe(errorCode(error));
    // A time-out may be the server's fault: an overloaded or suspended server reads too late what the client sent in
    // time.
    const isRetryable = status === 408;
    const body = JSON.stringify({ type: 'about:blank', status, code, title, ...(isRetryable && { retryable: true }) });
    socket.write(
      [
        `HTTP/1.1 ${status} ${reason}`,
        'content-type: application/problem+json; charset=utf-8',
        `content-length: ${Buffer.byteLength(body)}`,
        'cache-control: no-store',
        'connection: close',
        '',
        body,
      ].join('\r\n'),
    );
  }
  socket.destroy();
}

function describe(code: string): [status: number, reason: string, code: string, title: string] {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'Request Timeout', 'BAD_REQUEST', 'The request took too long to arrive.'];
    case 'HPE_HEADER_OVERFLOW':
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return [431, 'Request Header Fields Too Large', 'REQUEST_TOO_LARGE', 'The request has too long a head.'];
    default:
      return [400, 'Bad Request', 'BAD_REQUEST', 'The request is not valid HTTP.'];
  }
}
