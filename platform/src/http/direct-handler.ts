import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Log } from '../process/log.ts';
import type { Deliveries } from './deliveries.ts';
import { requestIdHeader, requestIdOf } from './request-id.ts';

/**
 * A handler that answers requests without Fastify. Fastify's routing and hooks would take a tenth of the time that a
 * small request needs. The limits of Node's server still apply. `createDirectListener` replaces the hooks that
 * `createHttpServer` adds to Fastify:
 *
 * - the Host header is checked, and a request with an invalid Host header is left to Fastify;
 * - the response has the request's id and `cache-control: no-store`;
 * - if a client does not read its response, the connection is destroyed;
 * - each response is logged;
 * - while the server drains or closes, all requests are left to Fastify.
 */
export interface DirectHandler {
  /**
   * Handles a request, or returns false to leave it to Fastify. The handler may also pass the request on later, by
   * `exchange.pass`, as long as it has not sent a response.
   */
  handle(exchange: DirectExchange): boolean;
}

/** A request and its response. */
export interface DirectExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** Passes the request on to Fastify, which uses the same id. */
  pass(): void;
  /**
   * @param headers names and values, alternating. They are sent after the request id and `cache-control`, and before
   *   `content-length`
   */
  send(status: number, headers: readonly string[], body: string | Buffer): void;
}

export interface DirectListenerOptions {
  direct: DirectHandler;
  /** Fastify's listener. */
  next: RequestListener;
  /** Whether the server drains or closes. */
  isEnding(): boolean;
  acceptHost(request: IncomingMessage): boolean;
  deliveries: Deliveries;
  log: Log;
}

/** Creates the listener that tries the direct handler first. */
export function createDirectListener(options: DirectListenerOptions): RequestListener {
  const { direct, next, isEnding, acceptHost } = options;
  return (request, response) => {
    const { headers, httpVersion } = request;
    const isPlain = httpVersion === '1.1' && Boolean(headers.host) && !isEnding() && acceptHost(request);
    if (!isPlain || !direct.handle(new Exchange(request, response, options))) next(request, response);
  };
}

/** A class, because one instance per request takes less memory than closures. */
class Exchange implements DirectExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly #sinceMs = performance.now();
  readonly #options: DirectListenerOptions;

  constructor(request: IncomingMessage, response: ServerResponse, options: DirectListenerOptions) {
    this.request = request;
    this.response = response;
    this.requestId = requestIdOf(request.headers);
    this.#options = options;
  }

  pass(): void {
    this.request.headers[requestIdHeader] = this.requestId;
    this.#options.next(this.request, this.response);
  }

  send(status: number, headers: readonly string[], body: string | Buffer): void {
    const { response, requestId } = this;
    const { deliveries } = this.#options;
    if (response.closed) return;
    response.on('error', () => {});
    deliveries.add(response);
    response.once('finish', () => {
      deliveries.delete(response);
      this.#log(status);
    });
    const length = String(Buffer.byteLength(body));
    const own = [requestIdHeader, requestId, 'cache-control', 'no-store'];
    response.writeHead(status, [...own, ...headers, 'content-length', length]);
    // `writeHead` does not send the head yet. `end` sends head and body in one write.
    response.end(body);
  }

  #log(status: number): void {
    const { requestId, request } = this;
    const { method, url: route } = request;
    const durationMs = Math.round(performance.now() - this.#sinceMs);
    this.#options.log.debug({ requestId, method, route, status, durationMs }, 'a request was answered');
  }
}
