import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type FastifyInstance, type FastifyRequest, fastify, type HTTPMethods } from 'fastify';
import { CodedError, errorCode, publicError } from './errors.ts';
import type { Log } from './log.ts';
import { assertValidText } from './text.ts';

export interface HttpServerOptions {
  log: Log;
  /** Largest request body in bytes; a larger one gets 413 REQUEST_TOO_LARGE. Default: 1 MiB. */
  bodyLimitBytes?: number;
  /** HTTP status by error code. Default: 400 for BAD_USER_INPUT, 500 for any other. */
  statusOf?: (code: string) => number;
}

/**
 * A Fastify server as every service has it: errors as RFC 9457 problem documents with a stable
 * `code`, masked where they are not ours; no URL, header or body in the log.
 */
export function createHttpServer({
  log,
  bodyLimitBytes = 1_048_576,
  statusOf = (code) => (code === 'BAD_USER_INPUT' ? 400 : 500),
}: HttpServerOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    logger: false,
    genReqId: () => randomUUID(),
    forceCloseConnections: 'idle',
    return503OnClosing: true,
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error, statusOf);
    if (problem.status >= 500) log.error({ error, requestId: request.id, code: problem.code }, 'request failed');
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const [path = '/'] = request.url.split('?');
    const allowed = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].filter(
      (method) => app.findRoute({ url: path, method: method as HTTPMethods }) !== null,
    );
    if (allowed.length === 0)
      return sendProblem(reply, { status: 404, code: 'NOT_FOUND', title: 'There is nothing at this address.' });
    return sendProblem(reply.header('allow', allowed.join(', ')), {
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      title: `This address takes ${allowed.join(', ')} alone.`,
    });
  });
  return app;
}

/**
 * A preValidation hook for routes that take values: refuses NUL and lone surrogates in the query string and the body,
 * whatever the field. (Node's HTTP parser refuses them in headers.)
 *
 * @throws CodedError BAD_USER_INPUT with the value's path as `argument`
 */
export async function refuseInvalidText({ query, body }: Pick<FastifyRequest, 'query' | 'body'>): Promise<void> {
  assertValidText(query);
  assertValidText(body);
}

/** RFC 9457, with our stable code. */
export interface Problem {
  status: number;
  code: string;
  title: string;
  [detail: string]: unknown;
}

/** Answers with a problem document. */
export function sendProblem<
  Reply extends { code(status: number): Reply; type(type: string): Reply; send(body: unknown): Reply },
>(reply: Reply, problem: Problem): Reply {
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', ...problem }));
}

/** What a client may know of an error. */
export function toProblem(error: unknown, statusOf: (code: string) => number): Problem {
  const known = publicError(error);
  if (known) {
    const { code, message, retryable, details } = known;
    return { ...details, status: statusOf(code), code, title: message, ...(retryable && { retryable }) };
  }
  switch (errorCode(error)) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { status: 413, code: 'REQUEST_TOO_LARGE', title: 'The request body is too large.' };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return {
        status: 415,
        code: 'BAD_USER_INPUT',
        title: 'This content type is not supported; send application/json.',
      };
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return { status: 400, code: 'BAD_USER_INPUT', title: 'The request body is not valid JSON.' };
  }
  const status = (error as { statusCode?: unknown }).statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500)
    return { status, code: 'BAD_USER_INPUT', title: 'The request is not valid.' };
  return { status: 500, code: 'INTERNAL_SERVER_ERROR', title: 'Something went wrong on our side.' };
}

export interface ListenOptions {
  host: string;
  port: number;
  /** Name of the setting that chose the port, for the message when it is taken. */
  setting: string;
}

/**
 * Listens and answers the URL with the port really got.
 * @throws CodedError PORT_TAKEN, naming the setting
 */
export async function listen(app: FastifyInstance, options: ListenOptions): Promise<string> {
  const { host, port } = options;
  try {
    return await app.listen({ host, port });
  } catch (error) {
    throw portError(error, options);
  }
}

/**
 * Resolves when the port could be listened on now, so that a start fails before it has done anything.
 * @throws CodedError PORT_TAKEN, naming the setting
 */
export async function assertPortFree(options: ListenOptions): Promise<void> {
  const { host, port } = options;
  const server = createServer().listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw portError(error, options);
  }
  await new Promise((resolve) => server.close(resolve));
}

function portError(error: unknown, { port, setting }: ListenOptions): unknown {
  const code = errorCode(error);
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return error;
  const why = code === 'EADDRINUSE' ? 'is taken by another process' : 'may not be used by this user';
  return new CodedError(
    'PORT_TAKEN',
    `${setting}: port ${port} ${why}. Set ${setting} to another port, or stop what uses it.`,
    { cause: error, details: { port, setting } },
  );
}

/**
 * Adds `/health/live` (the process answers) and `/health/ready` (its engines answer): 200, or 503
 * naming each engine that does not.
 */
export function addHealthRoutes(app: FastifyInstance, engines: Record<string, () => Promise<void>>): void {
  app.get('/health/live', () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) => {
    const names = Object.keys(engines);
    const results = await Promise.allSettled(names.map((name) => engines[name]?.()));
    const away = names.filter((_name, index) => results[index]?.status === 'rejected');
    return reply.code(away.length ? 503 : 200).send(away.length ? { status: 'unavailable', away } : { status: 'ok' });
  });
}
