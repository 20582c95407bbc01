import type { Log } from '@voucher-gateway/platform/process/log';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { createResultFormatter } from '../format-result.ts';
import type { Operation, OperationRequest, Operations } from '../operations/operations.ts';
import { readRetryAfter } from '../transports/retry-after.ts';
import { createAnswerTypes } from './answer-types.ts';
import { requestStatus } from './request-status.ts';

export interface KnownOperationsOptions {
  operations: Operations;
  contextOf(request: FastifyRequest, reply: FastifyReply): GatewayContext | Promise<GatewayContext>;
  /** Answers all other requests. */
  answerOther(request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
  log: Log;
}

/**
 * Creates the handler of `/graphql`. It takes the short way for well-formed requests for operations that are cached, and
 * leaves all others to Apollo Server: both ways send the same bytes and headers.
 */
export function createKnownOperations({ operations, contextOf, answerOther, log }: KnownOperationsOptions) {
  const { formatErrors, formatResultErrors } = createResultFormatter(log);
  const answerTypeOf = createAnswerTypes();

  const send = (reply: FastifyReply, contentType: string, text: string, errors?: readonly GraphQLFormattedError[]) => {
    const seconds = errors ? readRetryAfter(errors) : null;
    if (seconds !== null) reply.header('retry-after', String(seconds));
    reply.header('content-type', contentType);
    return text;
  };

  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const sent = readRequest(request);
    const contentType = sent && answerTypeOf(request.headers.accept);
    if (!contentType) return answerOther(request, reply);
    // Awaited only if it has to be: each await costs a turn of the microtask queue.
    const admitted = contextOf(request, reply);
    const context = admitted instanceof Promise ? await admitted : admitted;
    // Apollo Server adds what was traced.
    const operation = context.trace ? null : operations.prepareKnown(sent, context);
    if (!operation || !mayExecute(operation, request.method)) return answerOther(request, reply);
    try {
      const result = await operations.execute(operation, context);
      if (!result.errors) return send(reply, contentType, `{"data":${result.dataJson}}\n`);
      const errors = formatResultErrors(result.errors);
      return send(reply, contentType, `{"errors":${JSON.stringify(errors)},"data":${result.dataJson}}\n`, errors);
    } catch (error) {
      const errors = formatErrors(error);
      reply.code(requestStatus(String(errors[0]?.extensions?.code), request.headers.accept, contentType));
      return send(reply, contentType, `${JSON.stringify({ errors })}\n`, errors);
    }
  };
}

function mayExecute({ definition: { operation } }: Operation, method: string): boolean {
  return operation === 'query' || (operation === 'mutation' && method === 'POST');
}

const json = /^application\/json(?:; ?charset=utf-8)?$/i;

/** Reads a request as Apollo Server does; null for one that it may refuse. */
function readRequest({ method, headers, body, url }: FastifyRequest): OperationRequest | null {
  const contentType = headers['content-type'];
  if (method === 'POST') return contentType !== undefined && json.test(contentType) ? readBody(body) : null;
  if (method !== 'GET' || url.includes('#')) return null;
  // Apollo Server's prevention of CSRF: a foreign page can't set these headers without a preflight.
  const isPreflighted = headers['apollo-require-preflight'] || headers['x-apollo-operation-name'];
  if (contentType === undefined ? !isPreflighted : !json.test(contentType)) return null;
  return readSearch(new URLSearchParams(url.slice(url.indexOf('?'))));
}

function readBody(body: unknown): OperationRequest | null {
  if (!isRecord(body)) return null;
  const { query, operationName, variables, extensions } = body;
  const isWellFormed =
    isTextOrMissing(query) &&
    query !== '' &&
    isTextOrMissing(operationName) &&
    isRecordOrMissing(variables) &&
    isRecordOrMissing(extensions);
  return isWellFormed ? { query, operationName, variables, extensions } : null;
}

function readSearch(search: URLSearchParams): OperationRequest | null {
  const names = ['query', 'operationName', 'variables', 'extensions'];
  const [query, operationName, variables, extensions] = names.map((name) => search.getAll(name));
  if (![query, operationName, variables, extensions].every((values) => (values?.length ?? 0) <= 1)) return null;
  const sent = {
    query: query?.[0],
    operationName: operationName?.[0],
    variables: parseJson(variables?.[0]),
    extensions: parseJson(extensions?.[0]),
  };
  return sent.variables === null || sent.extensions === null ? null : readBody(sent);
}

/** Parses JSON; null for what is none. */
function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isTextOrMissing(value: unknown): value is string | null | undefined {
  return value === undefined || value === null || typeof value === 'string';
}

function isRecordOrMissing(value: unknown): value is Record<string, unknown> | null | undefined {
  return value === undefined || value === null || isRecord(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
