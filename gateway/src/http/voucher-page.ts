import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { addStaticPage } from './static-page.ts';

/** What the page learns from the gateway (web/src/page-settings.ts). */
export interface VoucherPageSettings {
  testReceiver: boolean;
  playground: boolean;
}

/** The other views that have an address. The page itself chooses by it. */
const views = ['/requests/:id', '/vouchers', '/callbacks'];

/** Whether the supergraph has the operations of the page. That of another team does not. */
export function hasVoucherOperations(schema: GraphQLSchema): boolean {
  return schema.getMutationType()?.getFields().requestVoucher !== undefined;
}

/** Serves the page of the workspace `web` at `/` and at the addresses of its views. */
export async function addVoucherPage(app: FastifyInstance, settings: VoucherPageSettings): Promise<void> {
  const page = await addStaticPage(app, {
    folder: fileURLToPath(new URL('../../../web/dist', import.meta.url)),
    prefix: '/page/',
    contentSecurityPolicy: {},
    transform: (html) =>
      html.replace('name="page-settings" content=""', `name="page-settings" content='${JSON.stringify(settings)}'`),
  });
  app.get('/', (_request, reply) => page.send(reply));
  // For other clients there is nothing at these paths.
  for (const path of views)
    app.get(path, ({ headers }, reply) =>
      /text\/html/.test(headers.accept ?? '') ? page.send(reply) : reply.callNotFound(),
    );
}
