import type { IncomingMessage } from 'node:http';
import type { ClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createClientSignal } from '@voucher-gateway/platform/http/client-signal';
import type { DirectExchange, DirectHandler } from '@voucher-gateway/platform/http/direct-handler';
import { createFailureLines } from '@voucher-gateway/platform/process/failure-lines';
import type { Log } from '@voucher-gateway/platform/process/log';
import { LRUCache } from 'lru-cache';
import { maxSmallBytes } from '../scheduling/large-requests.ts';
import type { LoopTurns } from '../scheduling/loop-turns.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';
import type { SendBudget } from '../transports/backpressure.ts';
import { countAnswer } from '../transports/http-responses.ts';
import { negotiateFormats } from '../transports/stream-formats.ts';
import { createAnswerTypes, maxAcceptLength } from './answer-types.ts';
import { isJsonType, type KnownOperations, readBody } from './known-operations.ts';
import type { RequestContexts } from './request-contexts.ts';

export interface DirectOperationsOptions {
  known: KnownOperations;
  contexts: RequestContexts;
  turns: LoopTurns;
  addresses: ClientAddresses;
  budget: SendBudget;
  /** Whether a web page of this origin may call the gateway. */
  allowsOrigin(origin: string | undefined, host?: string): boolean;
  maxBodyBytes: number;
  log: Log;
}

/** The state of a request that is passed on to Fastify. */
export interface PassedRequest {
  /** The error of a request that was refused while it waited in the queue of `turns`; else null. */
  refusal: unknown;
  body: Buffer | null;
}

export interface DirectOperations extends DirectHandler {
  /** Returns the state of a request that was passed on to Fastify. Returns undefined for a request that was not. */
  passed(request: IncomingMessage): PassedRequest | undefined;
}

/**
 * Answers small well-formed `POST /graphql` requests for operations whose plan is cached. It bypasses Fastify, but
 * sends the same bytes and headers. Any other request is passed on to Fastify, with its body if the body was already
 * read. The protections are the same as in Fastify:
 *
 * - a request waits in the queue of `turns` before its body is read; a body over 8 KiB, or over MAX_BODY_BYTES, is left
 *   to Fastify;
 * - only `application/json` is read, which a foreign page can't send without a preflight (CSRF), and CORS headers are
 *   set;
 * - JSON with a key `__proto__` or `constructor`, escaped or not, is left to Fastify's parser;
 * - a large response is counted against the send budget;
 * - the same pipeline authenticates, checks limits, and handles time-outs and cancellation.
 */
export function createDirectOperations(options: DirectOperationsOptions): DirectOperations {
  const { known, contexts, turns, addresses, budget, allowsOrigin, log } = options;
  const maxBytes = Math.min(options.maxBodyBytes, maxSmallBytes);
  const answerTypeOf = createDirectTypes();
  const logFailure = createFailureLines(log);
  const passed = new WeakMap<IncomingMessage, PassedRequest>();

  const pass = (exchange: DirectExchange, state: PassedRequest) => {
    passed.set(exchange.request, state);
    exchange.pass();
  };
  const answer = async (exchange: DirectExchange, contentType: string, body: Buffer): Promise<void> => {
    const { request } = exchange;
    const { accept, origin, host } = request.headers;
    const sent = parseBody(body.toString());
    if (!sent) return pass(exchange, { refusal: null, body });
    const admitted = contexts.create(exchange);
    // An `await` delays the response even if the value is not a promise. So only promises are awaited.
    const context = admitted instanceof Promise ? await admitted.catch(() => null) : admitted;
    const operation = context && known.find(sent, context, 'POST');
    if (!operation) {
      contexts.keep(request, admitted);
      return pass(exchange, { refusal: null, body });
    }
    const { status, retryAfter, text } = await known.answer(operation, context, { accept, contentType });
    const headers = ['vary', 'Origin'];
    if (origin && allowsOrigin(origin, host)) headers.push('access-control-allow-origin', origin);
    if (retryAfter !== null) headers.push('retry-after', retryAfter);
    headers.push('content-type', contentType);
    exchange.send(status, headers, countAnswer(exchange.response, text, budget));
  };
  const read = (exchange: DirectExchange, contentType: string, bytes: number) =>
    collectBody(exchange.request, bytes, (body) => {
      answer(exchange, contentType, body).catch((error: unknown) => {
        logFailure({ error, requestId: exchange.requestId }, 'a request failed');
        exchange.response.destroy();
      });
    });

  return {
    handle(exchange) {
      const { request, response } = exchange;
      const { method, url, headers } = request;
      if (method !== 'POST' || url !== '/graphql' || contexts.passesBack) return false;
      const bytes = Number(headers['content-length'] ?? 0);
      if (!(bytes > 0 && bytes <= maxBytes) || !isJsonType(headers['content-type'])) return false;
      const contentType = answerTypeOf(headers.accept);
      if (contentType === null) return false;
      if (turns.tryEnter()) read(exchange, contentType, bytes);
      else
        turns
          .enter(0, () => requesterOf({ clientAddress: addresses.read(request), signal: createClientSignal(response) }))
          .then(
            () => read(exchange, contentType, bytes),
            (refusal: unknown) => pass(exchange, { refusal, body: null }),
          );
      return true;
    },
    passed: (request) => passed.get(request),
  };
}

/**
 * Creates a function that returns the JSON media type of the result for an Accept header. The function returns null if
 * the header selects a stream, or any type other than JSON. Media types are cached by header, because clients send few
 * different headers.
 */
function createDirectTypes(): (accept: string | undefined) => string | null {
  const answerTypeOf = createAnswerTypes();
  const known = new LRUCache<string, { type: string | null }>({ max: 200 });
  return (accept) => {
    if (!accept) return answerTypeOf(accept);
    if (accept.length > maxAcceptLength) return null;
    const cached = known.get(accept);
    if (cached) return cached.type;
    const { subscription, deferred } = negotiateFormats(accept);
    const fresh = { type: subscription || deferred ? null : answerTypeOf(accept) };
    known.set(accept, fresh);
    return fresh.type;
  };
}

/**
 * Reads a request body of the length `bytes`. If the client disconnects before the body's end, `onBody` is not called,
 * because nobody waits for a response.
 */
function collectBody(request: IncomingMessage, bytes: number, onBody: (body: Buffer) => void): void {
  let chunks: Buffer[] | null = null;
  let received = 0;
  request.on('error', () => {});
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (chunk.length === bytes) return onBody(chunk);
    chunks ??= [];
    chunks.push(chunk);
    if (received === bytes) onBody(Buffer.concat(chunks));
  });
}

/**
 * Matches the keys that Fastify's parser refuses. It also matches every `\u` escape, because escapes could disguise one
 * of these keys.
 */
const suspect = /__proto__|constructor|\\u/;

function parseBody(text: string): ReturnType<typeof readBody> {
  if (suspect.test(text)) return null;
  try {
    return readBody(JSON.parse(text));
  } catch {
    return null;
  }
}
