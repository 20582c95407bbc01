import { CodedError, errorCode, isCodedError } from '@voucher-gateway/platform/errors';
import { groupAddress } from '@voucher-gateway/platform/http/client-address';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { BrokenCircuitError } from 'cockatiel';
import { GraphQLError } from 'graphql';
import { errors as undiciErrors } from 'undici';
import type { GatewayContext } from '../context.ts';
import type { Subgraph } from '../execution/subgraph/subgraph.ts';
import { readSubgraphResponse, type SubgraphResponse } from '../execution/subgraph/subgraph-response.ts';
import { createGate } from '../scheduling/gate.ts';
import { createDeadline } from './deadline.ts';
import type { Reply } from './exchange.ts';
import { createResilience } from './resilience.ts';
import type { SubgraphTransport } from './subgraph-transport.ts';

/** Limits of the calls to a subgraph. */
export interface SubgraphCallLimits {
  /** Time-out of a call, including its time in the queue. */
  timeoutMs: number;
  /**
   * Limit of concurrent calls. Further calls wait in a queue per requester. The queues take turns, so that a requester
   * with many calls does not delay other requesters.
   */
  maxRunning: number;
  /** Limit of waiting calls. */
  maxWaiting: number;
  /** Limit of the bytes of waiting calls. */
  maxWaitingBytes: number;
  /**
   * Longest wait of a call in the queue. Each call's wait is shortened by a random 0 to 50 %, so that a burst of calls
   * does not time out at one moment.
   */
  waitTimeoutMs: number;
  /** Largest response body, in bytes. */
  maxAnswerBytes: number;
  /**
   * How often a query is sent again if the subgraph does not answer. All attempts together take at most `timeoutMs`.
   * Default: 0.
   */
  retries?: number;
  /**
   * Number of consecutive calls without an answer after which the circuit breaker opens. With infinity there is no
   * breaker. Default: infinity.
   */
  breakAfter?: number;
}

export interface SubgraphClientOptions {
  /** The subgraph's name in the supergraph. */
  name: string;
  /** Disposed with the client. */
  transport: SubgraphTransport;
  limits: SubgraphCallLimits;
  log: Log;
}

/** Disposing waits for running calls. */
export interface SubgraphClient extends Subgraph, AsyncDisposable {
  /** Fails all running and future calls. */
  abort(): Promise<void>;
}

/**
 * Calls a subgraph, within limits. A call is aborted when its client disconnects. Only queries are retried. Only
 * the `authorization` header, the request id, the client's address and the headers of FORWARD_HEADERS are forwarded.
 *
 * Failures are GraphQL errors without a path: SUBGRAPH_UNAVAILABLE (retryable) or SUBGRAPH_INVALID_RESPONSE. A call that
 * the client has aborted is not a failure of the subgraph.
 */
export function createSubgraphClient({ name, transport, limits, log }: SubgraphClientOptions): SubgraphClient {
  const { maxRunning, maxWaiting, maxWaitingBytes, waitTimeoutMs } = limits;
  const gate = createGate({ atOnce: maxRunning, maxWaiting, maxWaitingBytes, waitTimeoutMs });
  const lines = createRepeatedLines(log);
  const headersFor = ({ authorization, requestId, clientAddress, headers: forwarded }: GatewayContext): string[] => {
    const headers = ['content-type', 'application/json', 'accept', 'application/json'];
    if (authorization) headers.push('authorization', authorization);
    if (requestId) headers.push('x-request-id', requestId);
    // The client's own `x-forwarded-for` header is not forwarded. With a false address, a client could evade rate
    // limits of subgraphs.
    if (clientAddress) headers.push('x-forwarded-for', clientAddress);
    if (forwarded) headers.push(...forwarded);
    return headers;
  };

  const awaitTurn = async (body: string, { clientAddress, signal }: GatewayContext): Promise<Disposable> => {
    using deadline = createDeadline(limits.timeoutMs, signal);
    const requester = { name: groupAddress(clientAddress), signal: deadline.signal };
    return await gate.enter(requester, Buffer.byteLength(body)).catch((error: unknown) => {
      throw new CallError('SUBGRAPH_UNAVAILABLE', 'has too many calls waiting', error);
    });
  };

  const resilience = createResilience({
    retries: limits.retries ?? 0,
    breakAfter: limits.breakAfter ?? Number.POSITIVE_INFINITY,
  });

  /** Converts the error of a failed call to the error that the client gets. */
  const describe = (error: unknown, { signal, requestId }: GatewayContext): unknown => {
    if (signal.aborted) return cancelledBy(signal);
    const { code, message, cause } = asCallError(error);
    const fields = { subgraph: name, code, requestId, ...(cause !== undefined && { cause: errorCode(cause) }) };
    lines.warn(code, fields, 'a subgraph failed');
    return new GraphQLError(`The subgraph ${name} ${message}.`, {
      extensions: {
        code,
        serviceName: name,
        ...(code === 'SUBGRAPH_UNAVAILABLE' && { retryable: true }),
        ...(isCodedError(cause) && cause.details),
      },
    });
  };

  return {
    // All steps are in one function, because each additional promise per call takes CPU time.
    async send({ query, body }, caller) {
      const { signal, onSubgraphHeaders } = caller;
      const endsAtMs = performance.now() + limits.timeoutMs;
      const readReply = ({ status, headers, text }: Reply): SubgraphResponse => {
        const answer = readSubgraphResponse(text);
        if (answer) onSubgraphHeaders?.(headers);
        if (answer) return answer;
        if (status >= 500) throw new CallError('SUBGRAPH_UNAVAILABLE', 'does not answer');
        throw new CallError('SUBGRAPH_INVALID_RESPONSE', 'answered something that is no GraphQL response');
      };
      const attempt = () => {
        const timeoutMs = Math.max(1, endsAtMs - performance.now());
        return transport.post(headersFor(caller), body, { signal, timeoutMs }).then(readReply);
      };
      let turn: Disposable | null = null;
      try {
        turn = gate.tryEnter();
        if (!turn) {
          turn = await awaitTurn(body, caller);
          if (performance.now() > endsAtMs - minLeftMs)
            throw new CallError('SUBGRAPH_UNAVAILABLE', 'has too many calls waiting');
        }
        return await resilience.run(attempt, {
          signal,
          // If the client has disconnected, the error is not a failure of the subgraph.
          isFailure: (error) => !signal.aborted && asCallError(error).code === 'SUBGRAPH_UNAVAILABLE',
          mayRepeat: () => !query.startsWith('mutation') && performance.now() < endsAtMs - minLeftMs,
        });
      } catch (error) {
        throw describe(error, caller);
      } finally {
        turn?.[Symbol.dispose]();
      }
    },
    abort: () => transport.abort(),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

/** Minimum time before a call's time-out. Later than that, a queued call is not sent, and a failed call is not retried. */
const minLeftMs = 10;

/**
 * The failure of a call. The client's error message is the subgraph's name and `message`: "The subgraph user does not
 * answer."
 */
class CallError extends Error {
  readonly code: PublicErrorCode;

  constructor(code: PublicErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

function asCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  if (error instanceof BrokenCircuitError)
    return new CallError('SUBGRAPH_UNAVAILABLE', 'did not answer for some time and is not asked now', error);
  if (error instanceof undiciErrors.ResponseExceededMaxSizeError)
    return new CallError('SUBGRAPH_INVALID_RESPONSE', 'answered too much', error);
  return new CallError('SUBGRAPH_UNAVAILABLE', 'does not answer', error);
}

/** Creates the error of an operation that timed out, or whose client has disconnected. */
function cancelledBy({ reason }: AbortSignal): Error {
  return isCodedError(reason)
    ? reason
    : new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', 'The operation was cancelled.', { cause: reason });
}
