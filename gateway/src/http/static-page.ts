import { existsSync, readFileSync } from 'node:fs';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** A web page. The files of the page are built during `npm ci`, by `scripts/prepare.js`. */
export interface StaticPage {
  send(reply: FastifyReply): FastifyReply;
}

export interface StaticPageOptions {
  /** The folder with `index.html` and its assets. */
  folder: string;
  /**
   * The path of the assets, with a slash at both ends. The names of assets contain a hash, so browsers may cache the
   * assets.
   */
  prefix: string;
  contentSecurityPolicy: Record<string, string>;
  /** Changes the HTML. Called once, at start. */
  transform?(html: string): string;
}

const notBuilt = `<!doctype html><title>voucher-gateway</title>
<p>This page is not built: run <code>npm ci</code>, or <code>node scripts/prepare.js</code>, and reload.</p>`;

/** Serves a page and its assets, all from this host. Until the page is built, the response is 503 with instructions. */
export async function addStaticPage(app: FastifyInstance, options: StaticPageOptions): Promise<StaticPage> {
  const { folder, prefix, contentSecurityPolicy, transform = (html) => html } = options;
  const file = `${folder}/index.html`;
  const page = existsSync(file) ? transform(readFileSync(file, 'utf8')) : null;
  const policy = Object.entries({ ...lockedDown, ...contentSecurityPolicy })
    .map((directive) => directive.join(' '))
    .join('; ');
  if (page !== null)
    await app.register(fastifyStatic, {
      root: folder,
      prefix,
      index: false,
      immutable: true,
      maxAge: '1y',
      // `scripts/prepare.js` writes compressed copies of the files.
      preCompressed: true,
      decorateReply: false,
    });
  return {
    send: (reply) =>
      reply
        .code(page === null ? 503 : 200)
        .headers({
          'content-security-policy': policy,
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cache-control': 'no-cache',
          vary: 'accept',
        })
        .type('text/html; charset=utf-8')
        .send(page ?? notBuilt),
  };
}

const lockedDown = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self'",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};
