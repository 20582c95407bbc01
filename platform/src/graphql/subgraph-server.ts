import { ApolloServer, type ApolloServerPlugin, type BaseContext } from '@apollo/server';
import fastifyApollo, { fastifyApolloDrainPlugin } from '@as-integrations/fastify';
import type { FastifyInstance } from 'fastify';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { createClientSignal } from '../http/client-signal.ts';
import { listen } from '../http/listen.ts';
import { createReadiness, type ReadinessOptions } from '../http/readiness.ts';
import { createHttpServer, type HttpLimits, type HttpServerOptions } from '../http/server.ts';
import type { Service } from '../process/lifecycle.ts';
import { type Log, silentLog } from '../process/log.ts';
import { apolloLogger, apolloReportingDisabled } from './apollo.ts';
import { createErrorFormatter, formatPublicError, originalOf, toRequestError } from './error-formatter.ts';
import { assertNesting, assertOperationText } from './graphql-text.ts';
import { createSubgraphCall, type SubgraphCall, type SubgraphCaller } from './subgraph-call.ts';

export interface SubgraphServerOptions<Context extends BaseContext> {
  /** The schema, as `buildSubgraphSchema` returns it. */
  schema: GraphQLSchema;
  log: Log;
  host: string;
  port: number;
  /** Name of the port's setting. Default: `PORT`. */
  portSetting?: string | undefined;
  /**
   * Creates a request's context. A CodedError that the function throws becomes the operation's error. The signal aborts
   * when the caller disconnects.
   */
  context(request: SubgraphCaller, signal: AbortSignal): Promise<Context>;
  /** The engines (database, broker, key-value store) that `/health/ready` checks. */
  engines: Pick<ReadinessOptions, 'required' | 'reported'>;
  /** The failures that `/health/live` reports. Default: none. */
  failures?: HttpServerOptions['failures'];
  limits?: Partial<HttpLimits>;
  /** HTTP status by error code, for requests that fail before execution. Default: 400. */
  statusOf?(code: string): number;
  /** Adds further routes, before the server listens. */
  routes?(app: FastifyInstance): void | Promise<void>;
}

/** A subgraph that serves HTTP requests, and calls of a gateway in the same process. */
export interface SubgraphService extends Service {
  readonly call: SubgraphCall;
}

/** Serves a subgraph at `/graphql`, with health routes. Disposing awaits running requests. */
export async function createSubgraphServer<Context extends BaseContext>(
  options: SubgraphServerOptions<Context>,
): Promise<SubgraphService> {
  const {
    schema,
    log,
    host,
    port,
    portSetting = 'PORT',
    context,
    engines,
    failures,
    limits,
    statusOf = () => 400,
    routes,
  } = options;
  await using releases = new AsyncDisposableStack();
  const readiness = createReadiness(engines);
  const app = createHttpServer({ log, readiness, failures, limits, statusOf });
  releases.defer(() => app.close());
  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    // Errors are not logged by the formatter but by a plugin, which knows the request.
    formatError: createErrorFormatter(silentLog),
    plugins: [fastifyApolloDrainPlugin(app), refuseInvalidText, logFailures(log), ...apolloReportingDisabled()],
    logger: apolloLogger(log),
  });
  await apollo.start();
  releases.defer(() => apollo.stop());
  const contextOf = async (body: unknown, request: SubgraphCaller, signal: AbortSignal) => {
    const { query } = (body ?? {}) as { query?: unknown };
    try {
      // The nesting is checked before parsing, because the parser recurses.
      if (typeof query === 'string') assertNesting(query);
    } catch (error) {
      throw toRequestError(error, () => 400);
    }
    try {
      const contextValue = await context(request, signal);
      // A service that is overloaded must not work for clients that have left.
      signal.throwIfAborted();
      return Object.assign(contextValue, { [requestIdKey]: request.id });
    } catch (error) {
      throw toRequestError(error, statusOf);
    }
  };
  await app.register(fastifyApollo(apollo), {
    path: '/graphql',
    method: ['POST'],
    context: (request, reply) => contextOf(request.body, request, createClientSignal(reply.raw)),
  });
  await routes?.(app);
  const url = await listen(app, { host, port, setting: portSetting });
  const owned = releases.move();
  return {
    url,
    call: createSubgraphCall(apollo, contextOf),
    retire: readiness.retire,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Rejects text that PostgreSQL can't store (NUL, lone surrogates) before a resolver receives it. */
const refuseInvalidText: ApolloServerPlugin = {
  async requestDidStart() {
    return {
      async didResolveOperation({ source, document, request: { variables } }) {
        try {
          assertOperationText({ query: source, document, variables });
        } catch (error) {
          throw toRequestError(error, () => 400);
        }
      },
    };
  },
};

/** Key of the request's id in a context. A WeakMap by context would not work, because Apollo Server copies contexts. */
const requestIdKey = Symbol('request id');

/** Logs failures that clients may not see, with the id of the request. */
function logFailures(log: Log): ApolloServerPlugin<{ [requestIdKey]?: string }> {
  const logFailure = (error: Error, fields: object) => {
    const formatted = error instanceof GraphQLError ? error.toJSON() : { message: error.message };
    if (!formatPublicError(formatted, error))
      log.error({ ...fields, error: originalOf(error), path: formatted.path }, 'a resolver failed');
  };
  return {
    async contextCreationDidFail({ error }) {
      logFailure(error, {});
    },
    async requestDidStart({ contextValue }) {
      return {
        async didEncounterErrors({ errors }) {
          for (const error of errors) logFailure(error, { requestId: contextValue[requestIdKey] });
        },
      };
    },
  };
}
