import type { FastifyInstance } from 'fastify';
import { listen } from '../http/listen.ts';
import { createHttpServer, type HttpServerOptions } from '../http/server.ts';
import { createMemoryLog } from './log.ts';

/** Serves routes on a free port, with a log in memory. */
export async function serve(add: (app: FastifyInstance) => void, options: Partial<HttpServerOptions> = {}) {
  const log = createMemoryLog();
  const statusOf = (code: string) => ({ TAKEN: 409, BAD_REQUEST: 400, BAD_USER_INPUT: 400 })[code] ?? 500;
  const app = createHttpServer({ log, bodyLimitBytes: 1_000, statusOf, ...options });
  add(app);
  const url = await listen(app, { host: '127.0.0.1', port: 0, setting: 'PORT' });
  return { url, log, app, port: Number(new URL(url).port), [Symbol.asyncDispose]: () => app.close() };
}
