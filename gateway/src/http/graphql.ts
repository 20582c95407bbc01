import { fastifyApolloHandler } from '@as-integrations/fastify';
import fastifyCors from '@fastify/cors';
import type { ClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createClientSignal } from '@voucher-gateway/platform/http/client-signal';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { type GatewayConfig, isOn, originPolicy } from '../config.ts';
import type { GatewayContext } from '../context.ts';
import { createResultFormatter } from '../format-result.ts';
import type { LargeRequests } from '../scheduling/large-requests.ts';
import type { LoopTurns } from '../scheduling/loop-turns.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';
import type { SessionGate } from '../sessions/session-gate.ts';
import { createTrace } from '../trace.ts';
import { addHttpStreams, type HttpStreamsOptions } from '../transports/stream-routes.ts';
import { createApolloAdapter } from './apollo-adapter.ts';
import { addCallbackReceiver } from './callback-receiver.ts';
import { createGraphqlErrorHandler } from './graphql-error-handler.ts';
import { createHeaderRules, type PassedHeaders } from './header-rules.ts';
import { parseJsonBodies } from './json-bodies.ts';
import { createKnownOperations } from './known-operations.ts';
import { addPlayground } from './playground.ts';
import { addRestRoutes } from './rest.ts';
import { addVoucherPage, hasVoucherOperations } from './voucher-page.ts';
import { addWebhookKeys } from './webhook-keys.ts';

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

type MaybePromise<T> = T | Promise<T>;

const anonymous = { identity: null, refusal: null, authorization: null };

/** Adds `/graphql` over HTTP, the REST operations, the playground and the keys of callbacks. Disposing waits for running operations. */
export async function addHttp(options: HttpOptions): Promise<AsyncDisposable> {
  const { app, config, schema, gate, log, addresses, turns, largeRequests, streams } = options;
  const { operations } = streams;
  const apollo = await createApolloAdapter({ app, operations, schema, log });

  const showsPlans = isOn(config.QUERY_PLANS, config);
  const passHeaders = createHeaderRules({
    request: config.FORWARD_HEADERS,
    cookies: config.FORWARD_COOKIES ?? false,
    caching: config.FORWARD_CACHE_CONTROL ?? false,
  });
  const passed = new WeakMap<FastifyRequest, PassedHeaders>();
  const passedOf = (request: FastifyRequest): PassedHeaders | undefined => {
    if (!passHeaders) return undefined;
    const known = passed.get(request) ?? passHeaders(request);
    passed.set(request, known);
    return known;
  };

  let placeOf: (request: FastifyRequest) => Disposable | undefined = () => undefined;
  const describe = (
    request: FastifyRequest,
    reply: FastifyReply,
    admitted: Pick<GatewayContext, 'identity' | 'refusal' | 'authorization'>,
  ): GatewayContext => ({
    ...admitted,
    requestId: request.id,
    clientAddress: addresses.read(request.raw),
    signal: createClientSignal(reply.raw),
    place: placeOf(request),
    ...passedOf(request),
    trace: showsPlans && request.headers['x-query-plan'] === 'true' ? createTrace() : undefined,
  });
  const createContext = (
    request: FastifyRequest,
    reply: FastifyReply,
    token?: string,
  ): MaybePromise<GatewayContext> => {
    const authorization = request.headers.authorization?.trim() || token || null;
    if (authorization === null) return describe(request, reply, anonymous);
    return gate.admit(authorization).then((admitted) => describe(request, reply, admitted));
  };

  // A request waits before its body is read, so it only takes the memory of its headers.
  const awaitTurn: onRequestHookHandler = ({ raw }, reply, done) => {
    if (turns.tryEnter()) return done();
    return turns.enter(0, () =>
      requesterOf({ clientAddress: addresses.read(raw), signal: createClientSignal(reply.raw) }),
    );
  };

  // The stream handler and the JSON handlers may all see a request. It is authenticated once.
  const contexts = new WeakMap<FastifyRequest, MaybePromise<GatewayContext>>();
  const contextOf = (request: FastifyRequest, reply: FastifyReply, token?: string): MaybePromise<GatewayContext> => {
    if (token !== undefined) return createContext(request, reply, token);
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
    if (passHeaders)
      scope.addHook('onSend', async (request, reply) => {
        passed.get(request)?.applyTo(reply);
      });
    placeOf = parseJsonBodies(scope, { largeRequests, addresses });
    scope.addHook('preHandler', (request, reply, done) => {
      if (playground && wantsPage(request)) playground.send(reply);
      else done();
    });
    addHttpStreams(scope, {
      ...streams,
      gate,
      log,
      allowsOrigin: allows,
      contextOf,
      maxBufferedBytes: config.MAX_BUFFERED_BYTES,
    });
    const byApollo = fastifyApolloHandler(apollo, {
      context: async (request, reply) => contextOf(request as FastifyRequest, reply as FastifyReply),
    });
    scope.route({
      method: ['GET', 'POST'],
      url: '/graphql',
      handler: createKnownOperations({
        operations,
        contextOf,
        answerOther: async (request, reply) => byApollo.call(app, request as never, reply as never),
        log,
      }),
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
  if (config.WEBHOOKS_JWKS_URL !== undefined) addWebhookKeys(app, { url: config.WEBHOOKS_JWKS_URL, log });
  const testReceiver = isOn(config.CALLBACK_RECEIVER, config) && hasVoucherOperations(schema);
  if (testReceiver) addCallbackReceiver(app);
  if (isOn(config.PAGE, config) && hasVoucherOperations(schema))
    await addVoucherPage(app, { testReceiver, playground: playground !== null });
  else app.get('/', (_request, reply) => (playground ? playground.send(reply) : reply.send({ graphql: '/graphql' })));

  return { [Symbol.asyncDispose]: () => apollo.stop() };
}
