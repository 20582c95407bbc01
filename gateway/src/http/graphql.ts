import { Readable } from 'node:stream';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import fastifyCors from '@fastify/cors';
import type { ClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createClientSignal } from '@voucher-gateway/platform/http/client-signal';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { type GatewayConfig, isOn } from '../config.ts';
import { createResultFormatter } from '../format-result.ts';
import type { LargeRequests } from '../scheduling/large-requests.ts';
import type { LoopTurns } from '../scheduling/loop-turns.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';
import type { SessionGate } from '../sessions/session-gate.ts';
import { addHttpStreams, type HttpStreamsOptions } from '../transports/stream-routes.ts';
import { createApolloAdapter } from './apollo-adapter.ts';
import { addCallbackReceiver } from './callback-receiver.ts';
import type { DirectOperations } from './direct-operations.ts';
import { createGraphqlErrorHandler } from './graphql-error-handler.ts';
import { parseJsonBodies } from './json-bodies.ts';
import { createKnownHandler, type KnownOperations } from './known-operations.ts';
import { addPlayground } from './playground.ts';
import type { RequestContexts } from './request-contexts.ts';
import { addRestRoutes } from './rest.ts';
import { addVoucherPage, hasVoucherOperations } from './voucher-page.ts';
import { addWebhookKeys } from './webhook-keys.ts';

type ContextOf = (request: FastifyRequest, reply: FastifyReply, token?: string) => ReturnType<RequestContexts['of']>;

export interface HttpOptions {
  app: FastifyInstance;
  config: GatewayConfig;
  schema: GraphQLSchema;
  gate: SessionGate;
  log: Log;
  addresses: ClientAddresses;
  /** Limits the operations that start per turn of the event loop. */
  turns: LoopTurns;
  largeRequests: LargeRequests;
  contexts: RequestContexts;
  known: KnownOperations;
  /** The handler in front of Fastify, which passes some requests on to Fastify. */
  direct: DirectOperations;
  /** Whether a web page of this origin may call the gateway. */
  allowsOrigin(origin: string | undefined, host?: string): boolean;
  streams: Pick<HttpStreamsOptions, 'subscriptions' | 'operations' | 'connections' | 'budget'>;
}

/**
 * Adds the HTTP routes: `/graphql`, the REST operations, the pages, and the public keys that verify callbacks.
 * Disposing waits for running operations.
 */
export async function addHttp(options: HttpOptions): Promise<AsyncDisposable> {
  const { app, config, schema, gate, log, addresses, turns, largeRequests, streams } = options;
  const { known, direct, contexts, allowsOrigin } = options;
  const { operations } = streams;
  const apollo = await createApolloAdapter({ app, operations, schema, log });

  // A request waits for its turn before its body is read, so that a waiting request only takes the memory of its
  // headers.
  const awaitTurn: onRequestHookHandler = ({ raw }, reply, done) => {
    const passed = direct.passed(raw);
    if (passed) return done((passed.refusal ?? undefined) as Error | undefined);
    if (turns.tryEnter()) return done();
    return turns.enter(0, () =>
      requesterOf({ clientAddress: addresses.read(raw), signal: createClientSignal(reply.raw) }),
    );
  };

  const contextOf: ContextOf = (request, reply, token) =>
    contexts.of({ request: request.raw, response: reply.raw, requestId: request.id }, token);

  await app.register(fastifyCors, {
    delegator: (request, callback) =>
      callback(null, { origin: allowsOrigin(request.headers.origin, request.headers.host), maxAge: 3_600 }),
  });
  const playground = isOn(config.PLAYGROUND, config) ? await addPlayground(app) : null;
  const wantsPage = (request: FastifyRequest) =>
    request.method === 'GET' &&
    /text\/html/.test(request.headers.accept ?? '') &&
    !(request.query as { query?: string }).query;

  await app.register(async (scope) => {
    // Errors that occur before Apollo Server gets the request are sent as GraphQL errors.
    scope.setErrorHandler(createGraphqlErrorHandler(log));
    scope.addHook('onRequest', awaitTurn);
    scope.addHook('preParsing', (request, _reply, payload, done) => {
      const body = direct.passed(request.raw)?.body;
      done(null, body ? Readable.from([body]) : payload);
    });
    if (contexts.passesBack)
      scope.addHook('onSend', async (request, reply) => {
        contexts.passedBy(request.raw)?.applyTo(reply);
      });
    parseJsonBodies(scope, { largeRequests, addresses, places: contexts.places });
    scope.addHook('preHandler', (request, reply, done) => {
      if (playground && wantsPage(request)) playground.send(reply);
      else done();
    });
    addHttpStreams(scope, {
      ...streams,
      gate,
      log,
      allowsOrigin,
      contextOf,
      maxBufferedBytes: config.MAX_BUFFERED_BYTES,
    });
    const byApollo = fastifyApolloHandler(apollo, {
      context: async (request, reply) => contextOf(request as FastifyRequest, reply as FastifyReply),
    });
    scope.route({
      method: ['GET', 'POST'],
      url: '/graphql',
      handler: createKnownHandler({
        known,
        contextOf,
        answerOther: async (request, reply) => byApollo.call(app, request as never, reply as never),
      }),
    });
  });
  await addRestOperations(app, { operations, awaitTurn, contextOf, log });
  if (config.WEBHOOKS_JWKS_URL !== undefined) addWebhookKeys(app, { url: config.WEBHOOKS_JWKS_URL, log });
  const testReceiver = isOn(config.CALLBACK_RECEIVER, config) && hasVoucherOperations(schema);
  if (testReceiver) addCallbackReceiver(app);
  if (isOn(config.PAGE, config) && hasVoucherOperations(schema))
    await addVoucherPage(app, { testReceiver, playground: playground !== null });
  else app.get('/', (_request, reply) => (playground ? playground.send(reply) : reply.send({ graphql: '/graphql' })));

  return { [Symbol.asyncDispose]: () => apollo.stop() };
}

interface RestOptions {
  operations: HttpStreamsOptions['operations'];
  /** Waits until the request may start. */
  awaitTurn: onRequestHookHandler;
  contextOf: ContextOf;
  log: Log;
}

/**
 * Adds the REST routes in a separate Fastify scope. The body parsers of this scope tell the client what is wrong with a
 * body.
 */
async function addRestOperations(app: FastifyInstance, options: RestOptions): Promise<void> {
  const { operations, awaitTurn, contextOf, log } = options;
  await app.register(async (scope) => {
    // `curl -d` sends a form by default. The error tells the user to set the content type.
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
}
