import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import { addStaticPage, type StaticPage } from './static-page.ts';

/**
 * Adds GraphiQL. Its content security policy allows inline styles, and workers from blobs, because GraphiQL needs them.
 */
export function addPlayground(app: FastifyInstance): Promise<StaticPage> {
  return addStaticPage(app, {
    folder: fileURLToPath(new URL('../../playground/dist', import.meta.url)),
    prefix: '/playground/',
    contentSecurityPolicy: {
      'style-src': "'self' 'unsafe-inline'",
      'font-src': "'self' data:",
      'img-src': "'self' data:",
      'worker-src': "'self' blob:",
      'connect-src': "'self' ws: wss:",
    },
  });
}
