import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';

const folder = fileURLToPath(new URL('../../playground/dist', import.meta.url));

const notBuilt = `<!doctype html><title>voucher-gateway</title>
<p>The playground is not built: run <code>npm ci</code>, or <code>node scripts/prepare.js</code>, and reload.</p>`;

/** The minimum for GraphiQL, which has inline styles and loads its workers as blobs. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "worker-src 'self' blob:",
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export interface Playground {
  /** Sends the page. */
  send(reply: FastifyReply): FastifyReply;
}

/** Serves GraphiQL's assets under `/playground/`; none is loaded from another host. */
export async function addPlayground(app: FastifyInstance): Promise<Playground> {
  const page = existsSync(`${folder}/index.html`) ? readFileSync(`${folder}/index.html`, 'utf8') : null;
  if (page !== null)
    await app.register(fastifyStatic, {
      root: folder,
      prefix: '/playground/',
      index: false,
      immutable: true,
      maxAge: '1y',
      decorateReply: false,
    });
  return {
    send: (reply) =>
      reply
        .code(page === null ? 503 : 200)
        .headers({
          'content-security-policy': contentSecurityPolicy,
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cache-control': 'no-cache',
          vary: 'accept',
        })
        .type('text/html; charset=utf-8')
        .send(page ?? notBuilt),
  };
}
