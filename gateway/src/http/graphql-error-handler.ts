import { toProblem } from '@voucher-gateway/platform/http/problem';
import { createFailureLines } from '@voucher-gateway/platform/process/failure-lines';
import type { Log } from '@voucher-gateway/platform/process/log';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * Handles errors that occur before Apollo Server gets the request. The response has GraphQL errors with `code` and
 * `retryable`.
 */
export function createGraphqlErrorHandler(log: Log) {
  const logFailure = createFailureLines(log);
  return (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const { status, code, title, retryable, retryAfterSeconds } = toProblem(error, statusOf);
    const isClientGone = reply.raw.destroyed;
    if (status >= 500 && !isClientGone) logFailure({ error, code, requestId: request.id }, 'a request failed');
    const extensions = {
      code,
      ...(retryable === true && { retryable }),
      ...(typeof retryAfterSeconds === 'number' && { retryAfterSeconds }),
    };
    if (typeof retryAfterSeconds === 'number') reply.header('retry-after', retryAfterSeconds);
    return reply
      .code(status)
      .type('application/json')
      .send(JSON.stringify({ errors: [{ message: title, extensions }] }));
  };
}
