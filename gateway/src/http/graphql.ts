import fastifyApollo from '@as-integrations/fastify';
import fastifyCors from '@fastify/cors';
import type { ClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createClientSignal } from '@voucher-gateway/platform/http/client-signal';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { type GatewayConfig, isOn, originPolicy } from '../config.ts';
import { createResultFormatter } from '../format-result.ts';
import type { LargeRequests } from '../scheduling/large-requests.ts';
import type { LoopTurns } from '../scheduling/loop-turns.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';
import type { SessionGate } from '../sessions/session-gate.ts';
import { addHttpStreams, type HttpStreamsOptions } from '../transports/stream-routes.ts';
import { type ApolloContext, createApolloAdapter } from './apollo-adapter.ts';
import { createGraphqlErrorHandler } from './graphql-error-handler.ts';
import { parseJsonBodies } from './json-bodies.ts';
import { addPlayground } from './playground.ts';
import { addRestRoutes } from './rest.ts';

export interface HttpOptions {
  app: FastifyInstance;
  config: GatewayConfig;
  schema: GraphQLSchema;
  gate: SessionGate;
  log: Log;
  addresses: ClientAddresses;
  /** The turns that requests for operations wait for. */
  turns: LoopTurns;
  largeRequests: LargeRequests;
  streams: Pick<HttpStreamsOptions, 'subscriptions' | 'operations' | 'connections' | 'budget'>;
}

/** Adds `/graphql` over HTTP, the REST operations and the playground. Disposing waits for running operations. */
export async function addHttp(options: HttpOptions): Promise<AsyncDisposable> {
  const { app, config, schema, gate, log, addresses, turns, largeRequests, streams } = options;
  const { operations } = streams;
  const apollo = await createApolloAdapter({ app, operations, schema, log });

  let placeOf: (request: FastifyRequest) => Disposable | undefined = () => undefined;
  const createContext = async (
    request: FastifyRequest,
    reply: FastifyReply,
    authorization?: string,
  ): Promise<ApolloContext> => ({
    ...(await gate.admit(request.headers.authorization?.trim() || authorization || null)),
    requestId: request.id,
    clientAddress: addresses.read(request.raw),
    signal: createClientSignal(reply.raw),
    place: placeOf(request),
  });

  // A request waits before its body is read, so it only takes the memory of its headers.
  const awaitTurn = ({ raw }: FastifyRequest, reply: FastifyReply) =>
    turns.enter(0, () => requesterOf({ clientAddress: addresses.read(raw), signal: createClientSignal(reply.raw) }));

  // The stream handler and the JSON handler may both see a request. It is authenticated once.
  const contexts = new WeakMap<FastifyRequest, Promise<ApolloContext>>();
  const contextOf = (request: FastifyRequest, reply: FastifyReply, authorization?: string): Promise<ApolloContext> => {
    if (authorization !== undefined) return createContext(request, reply, authorization);
    const context = contexts.get(request) ?? createContext(request, reply);
    contexts.set(request, context);
    return context;
  };

  const allows = originPolicy(config);
  await app.register(fastifyCors, {
    delegator: (request, callback) =>
      callback(null, { origin: allows(request.headers.origin, request.headers.host), maxAge: 3_600 }),
  });
  const playground = isOn(config.PLAYGROUND, config) ? await addPlayground(app) : null;
  const wantsPage = (request: FastifyRequest) =>
    request.method === 'GET' &&
    /text\/html/.test(request.headers.accept ?? '') &&
    !(request.query as { query?: string }).query;

  await app.register(async (scope) => {
    // Errors before Apollo Server handles the request have the shape of GraphQL errors, too.
    scope.setErrorHandler(createGraphqlErrorHandler(log));
    scope.addHook('onRequest', awaitTurn);
    placeOf = parseJsonBodies(scope, { largeRequests, addresses });
    scope.addHook('preHandler', async (request, reply) => {
      if (playground && wantsPage(request)) return playground.send(reply);
    });
    addHttpStreams(scope, {
      ...streams,
      gate,
      log,
      allowsOrigin: allows,
      contextOf,
      maxBufferedBytes: config.MAX_BUFFERED_BYTES,
    });
    await scope.register(fastifyApollo(apollo), {
      path: '/graphql',
      method: ['GET', 'POST'],
      context: contextOf,
    });
  });
  await app.register(async (scope) => {
    // `curl -d` sends a form by default: the error says what to do.
    scope.addContentTypeParser('application/x-www-form-urlencoded', (_request, _payload, done) =>
      done(Object.assign(new Error('form'), { code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', statusCode: 415 })),
    );
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
      if (String(body).trim() === '') return done(null, undefined);
      try {
        done(null, JSON.parse(String(body)));
      } catch {
        done(Object.assign(new Error('no JSON'), { code: 'FST_ERR_CTP_INVALID_JSON_BODY', statusCode: 400 }));
      }
    });
    const formatter = createResultFormatter(log);
    scope.addHook('onRequest', awaitTurn);
    addRestRoutes(scope, async (request, reply, query, variables) => {
      try {
        const context = await contextOf(request, reply);
        const operation = await operations.prepare({ query, variables }, context);
        return formatter.formatResult(await operations.execute(operation, context));
      } catch (error) {
        return { errors: formatter.formatErrors(error) };
      }
    });
  });
  app.get('/', (_request, reply) => (playground ? playground.send(reply) : reply.send({ graphql: '/graphql' })));

  return { [Symbol.asyncDispose]: () => apollo.stop() };
}
