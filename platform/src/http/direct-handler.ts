import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Log } from '../process/log.ts';
import type { Deliveries } from './deliveries.ts';
import { requestIdHeader, requestIdOf } from './request-id.ts';

/**
 * A handler in front of Fastify, whose routing and hooks cost a tenth of a small request. What Node's server guards holds
 * for both; what `createHttpServer` does in Fastify's hooks is done here as well:
 *
 * - the Host header is checked, and a request with an invalid one is Fastify's;
 * - the response has the request's id and `cache-control: no-store`;
 * - a response that its client does not read is cut off;
 * - each response is logged;
 * - while the server drains or closes, all requests are Fastify's.
 */
export interface DirectHandler {
  /**
   * Handles a request, or returns false at once to leave it to Fastify. It may also pass it on later, by `exchange.pass`,
   * unless it has sent the response.
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
  /** @param headers names and values in turn, after the id and `cache-control` and before `content-length` */
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

/** A class, because there is one per request. */
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
    // One write for the head and the body.
    response.end(body);
  }

  #log(status: number): void {
    const { requestId, request } = this;
    const { method, url: route } = request;
    const durationMs = Math.round(performance.now() - this.#sinceMs);
    this.#options.log.debug({ requestId, method, route, status, durationMs }, 'a request was answered');
  }
}
