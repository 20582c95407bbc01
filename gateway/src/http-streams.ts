import { CodedError } from '@voucher-gateway/platform/errors';
import { type PublicErrorCode, statusOf } from '@voucher-gateway/schema/error-codes';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type GraphQLFormattedError, getOperationAST } from 'graphql';
import { z } from 'zod';
import type { GatewayContext } from './context.ts';
import { type Federation, fragmentsOf, type Operation } from './federation.ts';
import { createResultFormatter, type ResultFormatter } from './format-result.ts';
import type { OperationServices } from './operation-services.ts';
import { isPublicOperation } from './operations/public-fields.ts';
import type { OperationRequest } from './prepare-operation.ts';
import { toSend } from './slow-reader.ts';
import { type StreamFormat, serverSentEvents, streamFormatOf } from './stream-formats.ts';
import type { Subscription } from './subscriptions/admission.ts';

export interface HttpStreamsOptions extends OperationServices {
  /** Whether a page of this origin may call. */
  allowsOrigin(origin: string | undefined, host?: string): boolean;
  /** Long-lived connections at most; more are answered 503. */
  maxConnections: number;
  /** Bytes that may wait for a slow client, until its connection is dropped. */
  maxBufferedBytes: number;
  /** Makes the context; `authorization` in place of the header's. */
  contextOf(request: FastifyRequest, reply: FastifyReply, authorization?: string): Promise<GatewayContext>;
}

const keepAliveMs = 10_000;

const sentOperation = z.object({
  query: z.string(),
  operationName: z.string().nullish(),
  variables: z.record(z.string(), z.unknown()).nullish(),
});

/**
 * Serves operations as streams within one HTTP response, by what the request accepts: `text/event-stream`
 * (Server-Sent Events) for any operation, `multipart/mixed;subscriptionSpec=…` for subscriptions. Anything else is
 * left to the handlers behind.
 *
 * What is wrong before the stream begins is a JSON answer with the code's status. A browser's EventSource can not
 * set a header, so a GET takes the token as `access_token`; its `Last-Event-ID` is the cursor to resume behind.
 */
export function addHttpStreams(app: FastifyInstance, options: HttpStreamsOptions): void {
  const { federation, subscriptions, prepareOperation, gate, connections, log } = options;
  const formatter = createResultFormatter(log);

  app.addHook('preHandler', async (request, reply) => {
    const wanted = streamFormatOf(request.headers.accept);
    if (!wanted) return;
    try {
      if (!options.allowsOrigin(request.headers.origin, request.headers.host))
        throw new CodedError<PublicErrorCode>('FORBIDDEN', 'Pages of this origin may not call.');
      const sent = sentBy(request);
      const operation = prepareOperation(sent);
      if (!('document' in operation)) return refuse(reply, operation);
      const definition = getOperationAST(operation.document, operation.operationName);
      const kind = definition?.operation;
      if (kind !== 'subscription' && wanted !== serverSentEvents) return;
      if (kind === 'mutation' && request.method === 'GET')
        return reply
          .code(405)
          .header('allow', 'POST')
          .send({ errors: [{ message: 'A mutation is sent by POST.', extensions: { code: 'BAD_REQUEST' } }] });
      if (connections.isDraining || connections.count >= options.maxConnections)
        throw new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', 'No more connections here; try again.', {
          retryable: true,
        });
      const context = await options.contextOf(request, reply, accessToken(request));
      if (
        context.refusal &&
        !(definition && isPublicOperation(federation.supergraph, definition, fragmentsOf(operation.document)))
      )
        throw context.refusal;
      if (kind !== 'subscription')
        return stream(reply, wanted, context, single(federation, operation, context, formatter));
      const subscription = await subscriptions.subscribe(operation, context, { after: lastEventId(request) });
      return stream(reply, wanted, context, subscription);
    } catch (error) {
      return refuse(reply, error);
    }
  });

  function refuse(reply: FastifyReply, thrown: unknown) {
    const errors = formatter.formatErrors(thrown);
    const code = String(errors[0]?.extensions?.code ?? 'INTERNAL_SERVER_ERROR');
    return reply.code(statusOf(code)).type('application/json; charset=utf-8').send(JSON.stringify({ errors }));
  }

  function stream(
    reply: FastifyReply,
    wanted: StreamFormat,
    { identity }: GatewayContext,
    subscription: Subscription,
  ): FastifyReply {
    reply.hijack();
    const { raw } = reply;
    if (raw.destroyed) {
      // The client left while it was let in: its `close` has been and will not come again.
      subscription[Symbol.dispose]();
      return reply;
    }
    raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': wanted.contentType,
      'cache-control': 'no-store',
      // Asks proxies of nginx's kind to pass each piece on as it comes.
      'x-accel-buffering': 'no',
    });
    const resources = new DisposableStack();
    resources.use(subscription);
    raw.once('close', () => resources.dispose());
    raw.on('error', (error) => log.debug({ error }, 'a stream failed'));

    const write = (text: string) => {
      if (raw.destroyed || raw.writableEnded || text === '') return;
      const bufferedBytes = raw.writableLength;
      const sent = toSend(text, bufferedBytes, options.maxBufferedBytes);
      if (sent !== null) {
        raw.write(sent);
        return;
      }
      log.info({ bufferedBytes }, 'a client reads too slowly: its stream is dropped');
      raw.destroy();
    };
    const end = (text: string) => {
      write(text);
      raw.end();
      resources.dispose();
    };
    const endWith = (code: PublicErrorCode, message: string, how: 'fail' | 'goAway') =>
      end(wanted[how]([{ message, extensions: { code, ...(how === 'goAway' && { retryable: true }) } }]));

    write(wanted.opening);
    const keepAlive = setInterval(() => write(wanted.keepAlive), keepAliveMs);
    resources.defer(() => clearInterval(keepAlive));
    resources.use(
      connections.add(() => {
        endWith('SERVICE_UNAVAILABLE', 'The gateway stops here; come again.', 'goAway');
        return new Promise<void>((resolve) => {
          if (raw.closed) resolve();
          raw.once('close', resolve);
          setTimeout(() => raw.destroy(), 1_000).unref();
        });
      }),
    );
    if (identity)
      resources.use(
        gate.onSessionEnd(identity, () => endWith('SESSION_EXPIRED', 'The session has ended; sign in again.', 'fail')),
      );
    subscription.start({
      next: (answer, cursor) => write(wanted.next(answer, cursor)),
      end: (errors?: readonly GraphQLFormattedError[]) => {
        if (!raw.writableEnded) end(errors ? wanted.fail(errors) : wanted.complete);
      },
      flushed: () => new Promise((resolve) => (raw.writableNeedDrain ? raw.once('drain', resolve) : resolve())),
    });
    return reply;
  }
}

/** A query's or mutation's one answer, as a stream. */
function single(
  federation: Federation,
  operation: Operation,
  context: GatewayContext,
  { formatResult, formatErrors }: ResultFormatter,
): Subscription {
  return {
    start({ next, end }) {
      federation.execute(operation, context).then(
        (result) => {
          next(JSON.stringify(formatResult(result)), null);
          end();
        },
        (error: unknown) => end(formatErrors(error)),
      );
    },
    [Symbol.dispose]() {},
  };
}

function sentBy(request: FastifyRequest): OperationRequest {
  const parsed = sentOperation.safeParse(request.method === 'GET' ? fromQueryString(request.query) : request.body);
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path.join('.') || 'the body';
  throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', `The request is no GraphQL operation: ${path} does not fit.`);
}

function fromQueryString(query: unknown): object {
  const { variables, ...rest } = query as Record<string, unknown>;
  if (typeof variables !== 'string' || variables === '') return rest;
  try {
    return { ...rest, variables: JSON.parse(variables) };
  } catch {
    return { ...rest, variables };
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
