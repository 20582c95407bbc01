import type { SubgraphCall } from '@voucher-gateway/platform/graphql/subgraph-call';
import { Pool, errors as undiciErrors } from 'undici';
import { createDeadline } from './deadline.ts';
import { type ExchangeLimits, exchange, type Reply } from './exchange.ts';

/** Sends requests to one subgraph, over HTTP or within the process. Disposing waits for running calls. */
export interface SubgraphTransport extends AsyncDisposable {
  /**
   * Posts a GraphQL request.
   *
   * @param headers header names and values, alternating
   * @param body JSON text
   * @throws the signal's reason; DOMException TimeoutError; ResponseExceededMaxSizeError; errors of the connection
   */
  post(headers: string[], body: string, limits: ExchangeLimits): Promise<Reply>;
  /** Fails all running and future calls. */
  abort(): Promise<void>;
}

export interface TransportLimits {
  /** Time-out of a call. */
  timeoutMs: number;
  /** Limit of concurrent calls. */
  maxRunning: number;
  /** Largest response body, in bytes. */
  maxAnswerBytes: number;
}

/** Calls a subgraph over HTTP, with an undici pool. */
export function createHttpTransport(
  url: string,
  { timeoutMs, maxRunning, maxAnswerBytes }: TransportLimits,
): SubgraphTransport {
  const { origin, pathname, search } = new URL(url);
  const pool = new Pool(origin, {
    connections: maxRunning,
    pipelining: 1,
    // While HTTP/2 is allowed, undici's requests wait for the first TLS handshake.
    allowH2: false,
    // undici's time-outs are turned off, because each chunk of the body restarts `bodyTimeout`. The time-out of
    // `exchange` covers the whole call.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: maxAnswerBytes,
    connect: { timeout: Math.min(timeoutMs, 5_000) },
  });
  const path = `${pathname}${search}`;
  return {
    post: (headers, body, limits) => exchange(pool, { path, headers, body }, limits),
    abort: () => pool.destroy(),
    async [Symbol.asyncDispose]() {
      if (!pool.destroyed) await pool.close();
    },
  };
}

/**
 * Calls a subgraph in the same process. The headers, the body and the size limit of the reply are the same as over
 * HTTP.
 */
export function createLocalTransport(
  call: SubgraphCall,
  { maxAnswerBytes }: Pick<TransportLimits, 'maxAnswerBytes'>,
): SubgraphTransport {
  const running = new Set<Promise<unknown>>();
  const stopping = new AbortController();
  return {
    async post(headers, body, { signal, timeoutMs }) {
      using deadline = createDeadline(timeoutMs, AbortSignal.any([signal, stopping.signal]));
      deadline.signal.throwIfAborted();
      const replying = call({ headers: pairsToObject(headers), body }, deadline.signal);
      running.add(replying);
      try {
        const reply = await Promise.race([replying, rejectOnAbort(deadline.signal)]);
        if (Buffer.byteLength(reply.text) > maxAnswerBytes) throw new undiciErrors.ResponseExceededMaxSizeError();
        return reply;
      } finally {
        running.delete(replying);
      }
    },
    async abort() {
      stopping.abort(new Error('the gateway stops'));
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(running);
    },
  };
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

function pairsToObject(pairs: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < pairs.length; index += 2)
    headers[(pairs[index] as string).toLowerCase()] = pairs[index + 1] as string;
  return headers;
}
