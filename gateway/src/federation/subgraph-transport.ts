import type { SubgraphCall } from '@voucher-gateway/platform/graphql/subgraph-call';
import { Pool, errors as undiciErrors } from 'undici';
import { type ExchangeLimits, exchange, type Reply, timeoutError } from './exchange.ts';

/** How requests get to a subgraph. Disposing waits for running calls. */
export interface SubgraphTransport extends AsyncDisposable {
  /**
   * Posts a GraphQL request.
   *
   * @param headers names and values in turn
   * @param body JSON text
   * @throws the signal's reason, DOMException TimeoutError, ResponseExceededMaxSizeError, and any failure to get a reply
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
    // undici's time-outs are per chunk; ours covers the whole call.
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

/** Calls a subgraph in the same process. It gets what it would get over HTTP, and its reply is bounded in the same way. */
export function createLocalTransport(
  call: SubgraphCall,
  { maxAnswerBytes }: Pick<TransportLimits, 'maxAnswerBytes'>,
): SubgraphTransport {
  const running = new Map<Promise<unknown>, (reason: unknown) => void>();
  const stopping = new AbortController();
  return {
    async post(headers, body, { signal, timeoutMs }) {
      stopping.signal.throwIfAborted();
      signal.throwIfAborted();
      const cancelling = new AbortController();
      const { promise: cancelled, reject } = Promise.withResolvers<never>();
      const cancel = (reason: unknown) => {
        reject(reason);
        cancelling.abort(reason);
      };
      const onAbort = () => cancel(signal.reason);
      const timer = setTimeout(() => cancel(timeoutError(timeoutMs)), timeoutMs);
      signal.addEventListener('abort', onAbort);
      const replying = call({ headers: pairsToObject(headers), body }, cancelling.signal);
      running.set(replying, cancel);
      try {
        const reply = await Promise.race([replying, cancelled]);
        if (Buffer.byteLength(reply.text) > maxAnswerBytes) throw new undiciErrors.ResponseExceededMaxSizeError();
        return reply;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        running.delete(replying);
      }
    },
    async abort() {
      const reason = new Error('the gateway stops');
      stopping.abort(reason);
      for (const cancel of running.values()) cancel(reason);
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(running.keys());
    },
  };
}

function pairsToObject(pairs: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < pairs.length; index += 2)
    headers[(pairs[index] as string).toLowerCase()] = pairs[index + 1] as string;
  return headers;
}
