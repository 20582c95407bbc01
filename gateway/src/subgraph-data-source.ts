import type { GraphQLDataSource } from '@apollo/gateway';
import { errorCode } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError } from 'graphql';
import { Pool } from 'undici';
import type { GatewayContext } from './context.ts';

export interface SubgraphDataSourceOptions {
  /** The subgraph's name in the supergraph. */
  name: string;
  /** Where it answers GraphQL. */
  url: string;
  timeoutMs: number;
  log: Log;
}

const maxAnswerBytes = 16_777_216;

/**
 * A subgraph over HTTP by undici: connections kept, one time-out, the caller's abort passed on. It forwards
 * `authorization` and a request id and nothing else, and never repeats a request.
 *
 * Failures are GraphQL errors: SUBGRAPH_UNAVAILABLE (retryable), SUBGRAPH_INVALID_RESPONSE.
 */
export function createSubgraphDataSource({
  name,
  url,
  timeoutMs,
  log,
}: SubgraphDataSourceOptions): GraphQLDataSource & AsyncDisposable {
  const { origin, pathname, search } = new URL(url);
  const pool = new Pool(origin, {
    connections: 128,
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: Math.min(timeoutMs, 5_000) },
  });
  const fail = (code: PublicErrorCode, message: string, cause?: unknown) => {
    log.warn({ subgraph: name, code, cause: cause === undefined ? undefined : errorCode(cause) }, 'a subgraph failed');
    return new GraphQLError(message, {
      extensions: { code, serviceName: name, ...(code === 'SUBGRAPH_UNAVAILABLE' && { retryable: true }) },
    });
  };

  return {
    async process({ request, context }) {
      const { authorization, requestId, signal } = (context ?? {}) as Partial<GatewayContext>;
      const { query, variables, operationName } = request;
      let status: number;
      let text: string;
      try {
        const response = await pool.request({
          path: `${pathname}${search}`,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json',
            ...(authorization && { authorization }),
            ...(requestId && { 'x-request-id': requestId }),
          },
          body: JSON.stringify({ query, variables, operationName }),
          signal: signal ?? null,
        });
        status = response.statusCode;
        if (Number(response.headers['content-length'] ?? 0) > maxAnswerBytes) {
          await response.body.dump();
          throw fail('SUBGRAPH_INVALID_RESPONSE', `The subgraph ${name} answered too much.`);
        }
        text = await response.body.text();
      } catch (error) {
        if (error instanceof GraphQLError) throw error;
        throw fail('SUBGRAPH_UNAVAILABLE', `The subgraph ${name} does not answer.`, error);
      }
      const answer = parsed(text);
      if (answer) return answer;
      if (status >= 500) throw fail('SUBGRAPH_UNAVAILABLE', `The subgraph ${name} does not answer.`);
      throw fail('SUBGRAPH_INVALID_RESPONSE', `The subgraph ${name} answered something that is no GraphQL response.`);
    },
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

/** A GraphQL response; null for anything else. */
function parsed(text: string) {
  try {
    const json = JSON.parse(text) as { data?: Record<string, unknown> | null; errors?: unknown };
    if (typeof json !== 'object' || json === null) return null;
    const { data, errors } = json;
    if (errors !== undefined && !(Array.isArray(errors) && errors.length > 0)) return null;
    if (data === undefined && errors === undefined) return null;
    return { data, errors: errors as never };
  } catch {
    return null;
  }
}
