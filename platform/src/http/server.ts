import { createServer, type RequestListener, type Server } from 'node:http';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify, type HTTPMethods } from 'fastify';
import { CodedError, errorCode } from '../errors.ts';
import type { CommonConfig } from '../process/config.ts';
import { createFailureLines } from '../process/failure-lines.ts';
import type { Log } from '../process/log.ts';
import { answerClientError } from './client-error.ts';
import { createDeliveries } from './deliveries.ts';
import { createDirectListener, type DirectHandler } from './direct-handler.ts';
import { createHostCheck } from './host-header.ts';
import { refusePipelining } from './pipelining.ts';
import { sendProblem, toProblem } from './problem.ts';
import { createReadiness, type Readiness } from './readiness.ts';
import { requestIdHeader, requestIdOf } from './request-id.ts';
import { assertValidText } from './text.ts';

export interface HttpServerOptions {
  log: Log;
  /** Largest request body in bytes; a larger one gets 413 REQUEST_TOO_LARGE. Default: 1 MiB. */
  bodyLimitBytes?: number;
  /** HTTP status by error code. Default: 400 for BAD_REQUEST and BAD_USER_INPUT, 500 for any other. */
  statusOf?: (code: string) => number;
  /** The state that `/health/ready` reports. Default: ready until retired. */
  readiness?: Readiness;
  /**
   * Returns the failures that the process can't recover from. If there are any, `/health/live` responds with 503.
   * Default: none.
   */
  failures?: () => readonly LiveFailure[];
  limits?: Partial<HttpLimits>;
  /** Handles requests before Fastify does. Default: none. */
  direct?: DirectHandler;
}

/** A failure that lasts until the process is restarted, or until an operator acts. */
export interface LiveFailure {
  code: string;
  message: string;
}

/** Time limits against slow clients, in milliseconds. */
export interface HttpLimits {
  /**
   * Limit for receiving a request's head. It counts from the opening of the connection, or from the first byte of a
   * later request on the connection. Default: 10 s.
   */
  headMs: number;
  /** Limit for receiving a request with its body. This limit and `headMs` count from the same moment. Default: 30 s. */
  requestMs: number;
  /**
   * Idle connections are closed after this time. It must be longer than a load balancer's keep-alive. Default: 72 s.
   */
  idleMs: number;
  /**
   * Limit for a client to receive a response, from the moment when the server has the complete response. Streams have
   * no such limit. Default: 2 min.
   */
  answerMs: number;
  /** How long a closing server waits for running requests. Default: 4 s, which is less than `stopLimits.workMs`. */
  closeMs: number;
}
/** Returns the limits that operators can set. */
export function httpLimitsOf(config: Pick<CommonConfig, 'REQUEST_TIMEOUT' | 'KEEP_ALIVE'>): Partial<HttpLimits> {
  return { requestMs: config.REQUEST_TIMEOUT, idleMs: config.KEEP_ALIVE };
}
const defaultLimits: HttpLimits = {
  headMs: 10_000,
  requestMs: 30_000,
  idleMs: 72_000,
  answerMs: 120_000,
  closeMs: 4_000,
};
/**
 * Number of requests after which a connection is closed. The load balancer can then open its next connection to another
 * process.
 */
const maxRequestsPerConnection = 10_000;

/**
 * Creates the Fastify server of a service:
 *
 * - `/health/live` (200, or 503 with the failures) and `/health/ready` (200 or 503, with each engine's state);
 * - errors are RFC 9457 problem documents with a stable `code`, and unexpected errors are masked;
 * - each response has the request's id, and `cache-control: no-store` unless its route sets another;
 * - no URL, header or body is logged;
 * - a connection's requests are served one at a time;
 * - slow clients are disconnected, and no client error is answered with status 500.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { log, bodyLimitBytes = 1_048_576, readiness = createReadiness(), failures = () => [] } = options;
  const { statusOf = (code) => (code === 'BAD_REQUEST' || code === 'BAD_USER_INPUT' ? 400 : 500) } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const logFailure = createFailureLines(log);
  const acceptHost = createHostCheck();
  const deliveries = createDeliveries(limits.answerMs);
  const headMs = Math.min(limits.headMs, limits.requestMs);
  let closing: NodeJS.Timeout | undefined;
  const isEnding = () => readiness.isRetired || closing !== undefined;
  const listenerBefore = (next: RequestListener): RequestListener => {
    const { direct } = options;
    return direct ? createDirectListener({ direct, next, isEnding, acceptHost, deliveries, log }) : next;
  };
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    logger: false,
    genReqId: ({ headers }) => requestIdOf(headers),
    forceCloseConnections: 'idle',
    // Requests that arrive during the close are served, because Fastify's 503 response has no code that tells clients
    // to retry.
    return503OnClosing: false,
    serverFactory(listener) {
      const server: Server = createServer(
        {
          headersTimeout: headMs,
          requestTimeout: limits.requestMs,
          keepAliveTimeout: limits.idleMs,
          connectionsCheckingInterval: Math.min(1_000, headMs / 2),
          // Only an upgrade to WebSocket is accepted. Other upgrade requests are served as plain HTTP, for example the
          // offer of HTTP/2 by Java's client (RFC 9110 section 7.8).
          shouldUpgradeCallback: ({ headers }) =>
            server.listenerCount('upgrade') > 0 && headers.upgrade?.toLowerCase() === 'websocket',
        },
        refusePipelining(listenerBefore(listener)),
      );
      return Object.assign(server, { maxRequestsPerSocket: maxRequestsPerConnection });
    },
    clientErrorHandler(error, socket) {
      log.debug({ code: errorCode(error) }, 'a connection sent no valid request');
      answerClientError(error, socket);
    },
    frameworkErrors: (_error, _request, reply) =>
      sendProblem<FastifyReply>(reply as never, {
        status: 400,
        code: 'BAD_REQUEST',
        title: 'This address is not valid.',
      }),
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({ [requestIdHeader]: request.id, 'cache-control': 'no-store' });
    if (readiness.isRetired) reply.header('connection', 'close');
    done(acceptHost(request.raw) ? undefined : new CodedError('BAD_REQUEST', 'The Host header is not valid.'));
  });
  app.addHook('onSend', (_request, { raw }, payload, done) => {
    deliveries.add(raw);
    done(null, payload);
  });
  app.addHook('onResponse', ({ id: requestId, method, routeOptions }, { raw, statusCode, elapsedTime }, done) => {
    deliveries.delete(raw);
    log.debug(
      { requestId, method, route: routeOptions.url, status: statusCode, durationMs: Math.round(elapsedTime) },
      'a request was answered',
    );
    done();
  });
  app.addHook('preClose', (done) => {
    closing = setTimeout(() => app.server.closeAllConnections(), limits.closeMs);
    done();
  });
  app.addHook('onClose', (_app, done) => {
    clearTimeout(closing);
    deliveries[Symbol.dispose]();
    done();
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error, statusOf);
    if (problem.status >= 500) logFailure({ error, requestId: request.id, code: problem.code }, 'request failed');
    if (typeof problem.retryAfterSeconds === 'number') reply.header('retry-after', problem.retryAfterSeconds);
    return sendProblem(reply, problem);
  });
  addNotFound(app);
  addHealth(app, { readiness, failures });
  return app;
}

/** Responds with 404; or with 405 and the allowed methods, if the path has routes for other methods. */
function addNotFound(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    const [path = '/'] = request.url.split('?');
    const allowed = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].filter(
      (method) => app.findRoute({ url: path, method: method as HTTPMethods }) !== null,
    );
    // If the path has a route for the request's method, that route itself has called `reply.callNotFound()`.
    if (allowed.length === 0 || allowed.includes(request.method))
      return sendProblem(reply, { status: 404, code: 'NOT_FOUND', title: 'There is nothing at this address.' });
    return sendProblem(reply.header('allow', allowed.join(', ')), {
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      title: `This address accepts only ${allowed.join(', ')}.`,
    });
  });
}

function addHealth(
  app: FastifyInstance,
  { readiness, failures }: Required<Pick<HttpServerOptions, 'readiness' | 'failures'>>,
): void {
  app.get('/health/live', (_request, reply) => {
    const found = failures();
    if (found.length === 0) return reply.send({ status: 'ok' });
    return reply.code(503).send({ status: 'failed', failures: found });
  });
  app.get('/health/ready', async (_request, reply) => {
    const report = await readiness.read();
    return reply.code(report.status === 'ok' ? 200 : 503).send(report);
  });
}

/**
 * A preValidation hook that rejects NUL and lone surrogates in the query string and the body. (Node's HTTP parser
 * rejects them in headers.)
 *
 * @throws CodedError BAD_USER_INPUT with the value's path as `argument`
 */
export async function refuseInvalidText({ query, body }: Pick<FastifyRequest, 'query' | 'body'>): Promise<void> {
  assertValidText(query);
  assertValidText(body);
}
