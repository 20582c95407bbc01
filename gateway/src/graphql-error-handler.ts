import { createFailureLines } from '@voucher-gateway/platform/failure-lines';
import { toProblem } from '@voucher-gateway/platform/http-server';
import type { Log } from '@voucher-gateway/platform/log';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Answers what fails before Apollo Server has the request: in GraphQL's shape, with a code, and `retryable` where it is. */
export function createGraphqlErrorHandler(log: Log) {
  const logFailure = createFailureLines(log);
  return (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const { status, code, title, retryable } = toProblem(error, statusOf);
    const isClientGone = reply.raw.destroyed;
    if (status >= 500 && !isClientGone) logFailure({ error, code, requestId: request.id }, 'a request failed');
    const extensions = { code, ...(retryable === true && { retryable }) };
    return reply
      .code(status)
      .type('application/json')
      .send(JSON.stringify({ errors: [{ message: title, extensions }] }));
  };
}
