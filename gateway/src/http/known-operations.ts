import type { Log } from '@voucher-gateway/platform/process/log';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { createResultFormatter } from '../format-result.ts';
import type { Operation, OperationRequest, Operations } from '../operations/operations.ts';
import { readRetryAfter } from '../transports/retry-after.ts';
import { createAnswerTypes } from './answer-types.ts';
import { requestStatus } from './request-status.ts';

/**
 * Answers well-formed requests for operations whose plan is cached, with the same bytes and headers as Apollo Server.
 */
export interface KnownOperations {
  /** Returns the operation if its document and plan are cached, and if this HTTP method may execute it; else null. */
  find(sent: OperationRequest, context: GatewayContext, method: string): Operation | null;
  /** Executes an operation. Never rejects. */
  answer(operation: Operation, context: GatewayContext, negotiated: NegotiatedType): Promise<KnownAnswer>;
}

export interface NegotiatedType {
  /** The request's Accept header. */
  accept: string | undefined;
  /** The media type that the header selects. */
  contentType: string;
}

export interface KnownAnswer {
  status: number;
  /** The value of `retry-after`; null for none. */
  retryAfter: string | null;
  text: string;
}

export function createKnownOperations({ operations, log }: { operations: Operations; log: Log }): KnownOperations {
  const { formatErrors, formatResultErrors } = createResultFormatter(log);
  return {
    find(sent, context, method) {
      // Requests with a trace are left to Apollo Server, which adds the query plan to the response.
      const operation = context.trace ? null : operations.prepareKnown(sent, context);
      return operation && mayExecute(operation, method) ? operation : null;
    },
    async answer(operation, context, { accept, contentType }) {
      try {
        const result = await operations.execute(operation, context);
        if (!result.errors) return { status: 200, retryAfter: null, text: `{"data":${result.dataJson}}\n` };
        const errors = formatResultErrors(result.errors);
        const text = `{"errors":${JSON.stringify(errors)},"data":${result.dataJson}}\n`;
        return { status: 200, retryAfter: retryAfterOf(errors), text };
      } catch (error) {
        const errors = formatErrors(error);
        const status = requestStatus(String(errors[0]?.extensions?.code), accept, contentType);
        return { status, retryAfter: retryAfterOf(errors), text: `${JSON.stringify({ errors })}\n` };
      }
    },
  };
}

export interface KnownHandlerOptions {
  known: KnownOperations;
  contextOf(request: FastifyRequest, reply: FastifyReply): GatewayContext | Promise<GatewayContext>;
  /** Lets Apollo Server answer a request that `known` does not answer. */
  answerOther(request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
}

/**
 * Creates the handler of `/graphql`. It answers operations whose plan is cached, and leaves all other requests to
 * Apollo Server.
 */
export function createKnownHandler({ known, contextOf, answerOther }: KnownHandlerOptions) {
  const answerTypeOf = createAnswerTypes();
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const sent = readRequest(request);
    const { accept } = request.headers;
    const contentType = sent && answerTypeOf(accept);
    if (!contentType) return answerOther(request, reply);
    const admitted = contextOf(request, reply);
    const context = admitted instanceof Promise ? await admitted : admitted;
    const operation = known.find(sent, context, request.method);
    if (!operation) return answerOther(request, reply);
    const { status, retryAfter, text } = await known.answer(operation, context, { accept, contentType });
    if (retryAfter !== null) reply.header('retry-after', retryAfter);
    reply.code(status).header('content-type', contentType);
    return text;
  };
}

function retryAfterOf(errors: readonly GraphQLFormattedError[]): string | null {
  const seconds = readRetryAfter(errors);
  return seconds === null ? null : String(seconds);
}

function mayExecute({ definition: { operation } }: Operation, method: string): boolean {
  return operation === 'query' || (operation === 'mutation' && method === 'POST');
}

const json = /^application\/json(?:; ?charset=utf-8)?$/i;

/** Whether Apollo Server reads this content type as JSON. */
export function isJsonType(contentType: string | undefined): boolean {
  return contentType === 'application/json' || (contentType !== undefined && json.test(contentType));
}

/**
 * Reads the operation from a request in the same way as Apollo Server; null if Apollo Server might refuse the request.
 */
function readRequest({ method, headers, body, url }: FastifyRequest): OperationRequest | null {
  const contentType = headers['content-type'];
  if (method === 'POST') return isJsonType(contentType) ? readBody(body) : null;
  if (method !== 'GET' || url.includes('#')) return null;
  // Apollo Server's CSRF prevention: a foreign page can't set these headers without a preflight.
  const isPreflighted = headers['apollo-require-preflight'] || headers['x-apollo-operation-name'];
  if (contentType === undefined ? !isPreflighted : !isJsonType(contentType)) return null;
  return readSearch(new URLSearchParams(url.slice(url.indexOf('?'))));
}

/** Reads the operation of a parsed body; null if Apollo Server may refuse it. */
export function readBody(body: unknown): OperationRequest | null {
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

/** Parses JSON; null for invalid JSON. */
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
