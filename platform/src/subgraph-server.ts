import { ApolloServer, type ApolloServerPlugin, type BaseContext } from '@apollo/server';
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import fastifyApollo, { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { createErrorFormatter, toGraphqlError } from './graphql-errors.ts';
import { assertOperationText } from './graphql-text.ts';
import { addHealthRoutes, createHttpServer, listen } from './http-server.ts';
import type { Service } from './lifecycle.ts';
import type { Log } from './log.ts';

export interface SubgraphServerOptions<Context extends BaseContext> {
  /** From `buildSubgraphSchema`. */
  schema: GraphQLSchema;
  log: Log;
  host: string;
  port: number;
  /** Name of the setting that chose the port. Default: `PORT`. */
  portSetting?: string;
  /** Makes a request's context; a coded error thrown here is the operation's error. */
  context(request: FastifyRequest): Promise<Context>;
  /** What `/health/ready` asks, by name. */
  engines: Record<string, () => Promise<void>>;
  /** Adds further routes before it listens. */
  routes?(app: FastifyInstance): void;
}

/** Serves a subgraph at `/graphql`, with health routes. Disposing finishes what runs. */
export async function createSubgraphServer<Context extends BaseContext>(
  options: SubgraphServerOptions<Context>,
): Promise<Service> {
  const { schema, log, host, port, portSetting = 'PORT', context, engines, routes } = options;
  await using releases = new AsyncDisposableStack();
  const app = createHttpServer({ log });
  releases.defer(() => app.close());
  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    formatError: createErrorFormatter(log),
    plugins: [fastifyApolloDrainPlugin(app), refuseInvalidText, ...nothingForApollo()],
    logger: apolloLogger(log),
  });
  await apollo.start();
  releases.defer(() => apollo.stop());
  await app.register(fastifyApollo(apollo), { path: '/graphql', method: ['POST'], context });
  addHealthRoutes(app, engines);
  routes?.(app);
  const url = await listen(app, { host, port, setting: portSetting });
  const owned = releases.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Text that no database takes is refused before a resolver has it, whatever the field. */
const refuseInvalidText: ApolloServerPlugin = {
  async requestDidStart() {
    return {
      async didResolveOperation({ source, document, request: { variables } }) {
        try {
          assertOperationText({ query: source, document, variables });
        } catch (error) {
          throw toGraphqlError(error, 400);
        }
      },
    };
  },
};

/** Turns off what Apollo Server would report to its makers, or load from them, where the environment has a key of theirs. */
export function nothingForApollo(): ApolloServerPlugin[] {
  return [
    ApolloServerPluginUsageReportingDisabled(),
    ApolloServerPluginSchemaReportingDisabled(),
    ApolloServerPluginInlineTraceDisabled(),
    ApolloServerPluginLandingPageDisabled(),
  ];
}

/** Apollo's logger interface over our port. */
export function apolloLogger(log: Log) {
  const line = (level: 'debug' | 'info' | 'warn' | 'error') => (message?: unknown) => log[level]({}, String(message));
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
