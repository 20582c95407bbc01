import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createClientSignal } from '@voucher-gateway/platform/http/client-signal';
import { type GatewayConfig, isOn } from '../config.ts';
import type { GatewayContext } from '../context.ts';
import type { SessionGate } from '../sessions/session-gate.ts';
import { createTrace } from '../trace.ts';
import { createHeaderRules, type PassedHeaders } from './header-rules.ts';

export interface RequestContextsOptions {
  config: Pick<
    GatewayConfig,
    'FORWARD_HEADERS' | 'FORWARD_COOKIES' | 'FORWARD_CACHE_CONTROL' | 'QUERY_PLANS' | 'NODE_ENV'
  >;
  gate: SessionGate;
  addresses: ClientAddresses;
}

/** An HTTP request for an operation, and its response. */
export interface RequestExchange {
  request: IncomingMessage;
  response: ServerResponse;
  requestId: string;
}

type MaybePromise<T> = T | Promise<T>;

/** Creates the contexts of HTTP requests. A request may pass several handlers, but is authenticated only once. */
export interface RequestContexts {
  /**
   * Creates a context. The argument `token` is used if the request has no Authorization header. Returns a promise only
   * if there is a token to verify.
   */
  create(exchange: RequestExchange, token?: string): MaybePromise<GatewayContext>;
  /** Keeps a context for later handlers of the request. */
  keep(request: IncomingMessage, context: MaybePromise<GatewayContext>): void;
  /** Returns the kept context, or creates and keeps one. A context that is created with a `token` is not kept. */
  of(exchange: RequestExchange, token?: string): MaybePromise<GatewayContext>;
  /**
   * Returns the headers that the gateway forwards for this request. Returns undefined if `create` was not called for
   * the request, or if the gateway forwards no headers.
   */
  passedBy(request: IncomingMessage): PassedHeaders | undefined;
  /** Whether headers of subgraphs are passed on to clients. */
  readonly passesBack: boolean;
  /**
   * The place of each large request: the disposable that `LargeRequests.enter` returned. `create` adds the place to the
   * request's context.
   */
  readonly places: WeakMap<IncomingMessage, Disposable>;
}

const anonymous = { identity: null, refusal: null, authorization: null };

export function createRequestContexts({ config, gate, addresses }: RequestContextsOptions): RequestContexts {
  const showsPlans = isOn(config.QUERY_PLANS, config);
  const { FORWARD_COOKIES: cookies = false, FORWARD_CACHE_CONTROL: caching = false } = config;
  const passHeaders = createHeaderRules({ request: config.FORWARD_HEADERS, cookies, caching });
  const passed = new WeakMap<IncomingMessage, PassedHeaders>();
  const places = new WeakMap<IncomingMessage, Disposable>();
  const kept = new WeakMap<IncomingMessage, MaybePromise<GatewayContext>>();

  const passedOf = (request: IncomingMessage): PassedHeaders | undefined => {
    if (!passHeaders) return undefined;
    const known = passed.get(request) ?? passHeaders(request);
    passed.set(request, known);
    return known;
  };
  const describe = (
    { request, response, requestId }: RequestExchange,
    { identity, refusal, authorization }: Pick<GatewayContext, 'identity' | 'refusal' | 'authorization'>,
  ): GatewayContext => {
    const forwarded = passedOf(request);
    return {
      identity,
      refusal,
      authorization,
      requestId,
      clientAddress: addresses.read(request),
      signal: createClientSignal(response),
      place: places.get(request),
      headers: forwarded?.headers,
      onSubgraphHeaders: forwarded?.onSubgraphHeaders,
      restrictCaching: forwarded?.restrictCaching,
      trace: showsPlans && request.headers['x-query-plan'] === 'true' ? createTrace() : undefined,
    };
  };
  const create: RequestContexts['create'] = (exchange, token) => {
    const authorization = exchange.request.headers.authorization?.trim() || token || null;
    if (authorization === null) return describe(exchange, anonymous);
    return gate.admit(authorization).then((admitted) => describe(exchange, admitted));
  };

  return {
    create,
    keep: (request, context) => void kept.set(request, context),
    of(exchange, token) {
      if (token !== undefined) return create(exchange, token);
      const context = kept.get(exchange.request) ?? create(exchange);
      kept.set(exchange.request, context);
      return context;
    },
    passedBy: (request) => passed.get(request),
    passesBack: cookies || caching,
    places,
  };
}
