import { CodedError } from '@voucher-gateway/platform/errors';
import { type PublicErrorCode, statusOf } from '@voucher-gateway/schema/error-codes';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { GatewayContext } from '../context.ts';
import { createResultFormatter, type ResultFormatter } from '../format-result.ts';
import type { Operation, OperationRequest, Operations } from '../operations/operations.ts';
import type { Subscription } from '../subscriptions/active-subscription.ts';
import type { Subscriber } from '../subscriptions/subscriber.ts';
import { HttpStream, type HttpStreamOptions } from './http-stream.ts';
import { readRetryAfter } from './retry-after.ts';
import type { OperationServices } from './services.ts';
import { type AcceptedFormats, negotiateFormats } from './stream-formats.ts';

export interface HttpStreamsOptions extends OperationServices, HttpStreamOptions {
  /** Whether a web page of this origin may call the gateway. */
  allowsOrigin(origin: string | undefined, host?: string): boolean;
  /** Creates the context of a request. `authorization` is used if the request has no `authorization` header. */
  contextOf(
    request: FastifyRequest,
    reply: FastifyReply,
    authorization?: string,
  ): GatewayContext | Promise<GatewayContext>;
}

const sentOperation = z.object({
  query: z.string().nullish(),
  operationName: z.string().nullish(),
  variables: z.record(z.string(), z.unknown()).nullish(),
  extensions: z.record(z.string(), z.unknown()).nullish(),
});

/**
 * Serves an operation as a stream in one HTTP response, if the Accept header selects a stream. Subscriptions are sent
 * as `text/event-stream` (Server-Sent Events) or `multipart/mixed;subscriptionSpec=…`. Queries and mutations are sent
 * as Server-Sent Events if the header prefers this format to JSON. Queries and mutations with `@defer` are sent in
 * parts, as Server-Sent Events or `multipart/mixed;deferSpec=20220824`, if the header names one of these formats. Any
 * other request is passed to the next handler.
 *
 * Errors before the stream starts are sent as JSON with the HTTP status of their code. A browser's EventSource can not
 * set headers, so a GET may have the token as `access_token`. The header `Last-Event-ID` has the cursor after which the
 * client resumes.
 */
export function addHttpStreams(app: FastifyInstance, options: HttpStreamsOptions): void {
  const { operations, subscriptions, log } = options;
  const formatter = createResultFormatter(log);

  app.addHook('preHandler', (request, reply, done) => {
    const accepted = negotiateFormats(request.headers.accept);
    return accepted.subscription || accepted.deferred ? answer(request, reply, accepted) : done();
  });

  const answer = async (request: FastifyRequest, reply: FastifyReply, accepted: AcceptedFormats) => {
    let context: GatewayContext;
    let operation: Operation;
    try {
      context = await options.contextOf(request, reply, accessToken(request));
      operation = await operations.prepare(sentBy(request), context, accepted.deferred !== null);
    } catch (error) {
      // If the client prefers JSON, the next handler runs into the same error, and sends it.
      return accepted.answer === 'json' ? undefined : refuse(reply, error);
    }
    const kind = operation.definition.operation;
    const whole = kind === 'subscription' ? accepted.subscription : accepted.answer;
    const format = operation.plan.hasDeferred ? accepted.deferred : whole;
    if (format === 'json' || format === null) return;
    try {
      if (!options.allowsOrigin(request.headers.origin, request.headers.host))
        throw new CodedError<PublicErrorCode>('FORBIDDEN', 'Pages of this origin may not call.');
      if (kind === 'mutation' && request.method === 'GET')
        return reply
          .code(405)
          .header('allow', 'POST')
          .send({ errors: [{ message: 'A mutation is sent by POST.', extensions: { code: 'BAD_REQUEST' } }] });
      const { identity, clientAddress } = context;
      const client = { address: clientAddress, isAnonymous: identity === null };
      const stream = HttpStream.tryOpen(reply, format, client, options);
      // If no stream could be opened, the next handler sends the whole result to a client that also takes JSON.
      if (!stream && kind !== 'subscription' && accepted.answer === 'json') return;
      if (!stream) throw noMoreConnections();
      try {
        if (kind !== 'subscription') return stream.answer(wrapAnswer(operations, operation, context, formatter));
        context.place?.[Symbol.dispose]();
        const after = lastEventId(request);
        return stream.subscribe(await subscriptions.subscribe(operation, context, { after }), identity);
      } catch (error) {
        stream.release();
        throw error;
      }
    } catch (error) {
      return refuse(reply, error);
    }
  };

  function refuse(reply: FastifyReply, thrown: unknown) {
    const errors = formatter.formatErrors(thrown);
    const code = String(errors[0]?.extensions?.code ?? 'INTERNAL_SERVER_ERROR');
    const retryAfterSeconds = readRetryAfter(errors);
    if (retryAfterSeconds !== null) reply.header('retry-after', retryAfterSeconds);
    return reply.code(statusOf(code)).type('application/json; charset=utf-8').send(JSON.stringify({ errors }));
  }
}

function noMoreConnections(): CodedError<PublicErrorCode> {
  return new CodedError('SERVICE_UNAVAILABLE', 'No more connections here; try again.', { retryable: true });
}

/** Wraps a query or mutation as a subscription. The subscription sends one result, or with `@defer` several parts. */
function wrapAnswer(
  operations: Operations,
  operation: Operation,
  context: GatewayContext,
  { stringify, stringifyPrimary, stringifyChunk, formatErrors }: ResultFormatter,
): Subscription {
  let hasLeft = false;
  const ended = new AbortController();
  // When the stream ends, `ended` aborts the requests for deferred parts that still run. The operation may have failed,
  // or the drain may not have waited for these requests.
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const send = async (subscriber: Subscriber) => {
    const result = await operations.execute(operation, { ...context, signal });
    subscriber.next(operation.plan.hasDeferred ? stringifyPrimary(result) : stringify(result), null);
    if (hasLeft || !result.deferred) return;
    // Parts are written without waiting for a slow client, because the send budget counts only written bytes. Unwritten
    // parts would take memory that the budget does not count.
    for await (const chunk of result.deferred.chunks) {
      if (hasLeft) return;
      subscriber.next(stringifyChunk(chunk), null);
    }
  };
  return {
    start(subscriber) {
      send(subscriber)
        .then(() => subscriber.end())
        .catch((error: unknown) => subscriber.end(formatErrors(error)));
    },
    [Symbol.dispose]() {
      hasLeft = true;
      ended.abort(new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', 'The stream has ended.'));
    },
  };
}

function sentBy(request: FastifyRequest): OperationRequest {
  const parsed = sentOperation.safeParse(request.method === 'GET' ? fromQueryString(request.query) : request.body);
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path.join('.') || 'the body';
  throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', `The request is no GraphQL operation: ${path} does not fit.`);
}

function fromQueryString(query: unknown): object {
  const { variables, extensions, ...rest } = query as Record<string, unknown>;
  return { ...rest, variables: fromJson(variables), extensions: fromJson(extensions) };
}

/** Parses JSON. Invalid JSON is returned unchanged, and the check against the schema then reports it. */
function fromJson(text: unknown): unknown {
  if (typeof text !== 'string') return text;
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}

function accessToken(request: FastifyRequest): string | undefined {
  const { access_token: token } = request.query as { access_token?: unknown };
  return request.method === 'GET' && typeof token === 'string' && token !== '' ? token : undefined;
}

function lastEventId(request: FastifyRequest): string | null {
  const id = request.headers['last-event-id'];
  return typeof id === 'string' && id !== '' ? id : null;
}
