import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { addStaticPage } from './static-page.ts';

/** Settings that the gateway passes to the page (web/src/page-settings.ts). */
export interface VoucherPageSettings {
  testReceiver: boolean;
  playground: boolean;
}

/**
 * Paths of the page's views, besides `/`. The gateway serves the same page at each of these paths, and the page chooses
 * the view by the path.
 */
const views = ['/requests/:id', '/vouchers', '/callbacks'];

/**
 * Whether the supergraph has the operations that the page uses. The gateway may also serve a supergraph without them.
 */
export function hasVoucherOperations(schema: GraphQLSchema): boolean {
  return schema.getMutationType()?.getFields().requestVoucher !== undefined;
}

/** Serves the page of the workspace `web` at `/` and at the paths of the page's views. */
export async function addVoucherPage(app: FastifyInstance, settings: VoucherPageSettings): Promise<void> {
  const page = await addStaticPage(app, {
    folder: fileURLToPath(new URL('../../../web/dist', import.meta.url)),
    prefix: '/page/',
    contentSecurityPolicy: {},
    transform: (html) =>
      html.replace('name="page-settings" content=""', `name="page-settings" content='${JSON.stringify(settings)}'`),
  });
  app.get('/', (_request, reply) => page.send(reply));
  // Clients that do not accept HTML get 404 at these paths.
  for (const path of views)
    app.get(path, ({ headers }, reply) =>
      /text\/html/.test(headers.accept ?? '') ? page.send(reply) : reply.callNotFound(),
    );
}
