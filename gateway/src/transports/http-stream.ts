import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { FastifyReply } from 'fastify';
import type { GraphQLFormattedError } from 'graphql';
import type { SessionGate } from '../sessions/session-gate.ts';
import type { Subscription } from '../subscriptions/active-subscription.ts';
import type { Subscriber } from '../subscriptions/subscriber.ts';
import { encodeWithinLimit, oversizedBytes, type SendBudget, type SlowConsumer } from './backpressure.ts';
import type { ConnectionClient, OpenConnections } from './connections.ts';
import type { StreamFormat } from './stream-formats.ts';

/** Options that all streams share. */
export interface HttpStreamOptions {
  connections: OpenConnections;
  gate: SessionGate;
  log: Log;
  /** Limit of the buffered bytes per client. The connection of a slow consumer that exceeds it is destroyed. */
  maxBufferedBytes: number;
  /** Limits the total of bytes that are buffered for all clients. */
  budget: SendBudget;
}

const keepAliveMs = 10_000;
/** If a client does not read the end of its stream within this time, the connection is destroyed. */
const closeWithinMs = 1_000;

/**
 * A stream of results in one HTTP response. The stream counts as an open connection from its creation, before the
 * operation starts. The count ends when the response is closed or the stream is released.
 */
export class HttpStream implements Subscriber, SlowConsumer {
  readonly #reply: FastifyReply;
  readonly #format: StreamFormat;
  readonly #options: HttpStreamOptions;
  readonly #resources = new DisposableStack();
  #state: 'preparing' | 'started' | 'answering' = 'preparing';
  /** True during the drain. A subscription that starts during the drain ends immediately. */
  #isGoingAway = false;
  /** Size of a buffered text that alone exceeds the buffer limit; 0 if there is none. */
  #oversizedBytes = 0;

  /** Opens a stream; null during the drain, or if a connection limit is reached. */
  static tryOpen(
    reply: FastifyReply,
    format: StreamFormat,
    client: ConnectionClient,
    options: HttpStreamOptions,
  ): HttpStream | null {
    const { connections } = options;
    const stream = new HttpStream(reply, format, options);
    const counted = connections.isDraining ? null : connections.tryAdd(client, (force) => stream.#goAway(force));
    if (!counted) return null;
    stream.#resources.use(counted);
    reply.raw.once('close', () => {
      stream.release();
      options.budget.note(stream, 0);
    });
    return stream;
  }

  private constructor(reply: FastifyReply, format: StreamFormat, options: HttpStreamOptions) {
    this.#reply = reply;
    this.#format = format;
    this.#options = options;
  }

  /** Sends a subscription's results, until the subscription or the client's session ends, or the client disconnects. */
  subscribe(subscription: Subscription, identity: Identity | null): FastifyReply {
    const { gate } = this.#options;
    // If the client has disconnected, the stream is already released, and must not watch the session.
    if (identity && !this.#resources.disposed)
      this.#resources.use(gate.onSessionEnd(identity, () => this.#endWithSession()));
    this.#state = 'started';
    return this.#start(subscription);
  }

  /** Sends the only result of a query or mutation, even if the drain has started or the session has ended. */
  answer(operation: Subscription): FastifyReply {
    this.#state = 'answering';
    return this.#start(operation);
  }

  #start(subscription: Subscription): FastifyReply {
    const { log } = this.#options;
    const { raw } = this.#reply;
    this.#reply.hijack();
    if (raw.destroyed) {
      // The client has already disconnected.
      subscription[Symbol.dispose]();
      this.release();
      return this.#reply;
    }
    this.#resources.use(subscription);
    raw.on('error', (error) => log.debug({ error }, 'a stream failed'));
    raw.writeHead(200, {
      ...(this.#reply.getHeaders() as Record<string, string>),
      'content-type': this.#format.contentType,
      'cache-control': 'no-store',
      // Tells proxies such as nginx not to buffer the response.
      'x-accel-buffering': 'no',
    });
    this.#write(this.#format.opening);
    const keepAlive = setInterval(() => this.#write(this.#format.keepAlive), keepAliveMs);
    this.#resources.defer(() => clearInterval(keepAlive));
    if (this.#isGoingAway && this.#state === 'started') this.#endForDrain();
    else subscription.start(this);
    return this.#reply;
  }

  next(json: string, cursor: string | null): void {
    this.#write(this.#format.next(json, cursor));
  }

  end(errors?: readonly GraphQLFormattedError[]): void {
    this.#endWith(errors ? this.#format.fail(errors) : this.#format.complete);
  }

  flushed(): Promise<void> {
    const { raw } = this.#reply;
    if (!raw.writableNeedDrain || raw.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        raw.off('drain', done).off('close', done);
        resolve();
      };
      raw.on('drain', done).on('close', done);
    });
  }

  /**
   * Ends the subscription, and stops counting the stream as a connection. Called when the response is closed, or when
   * an error is sent as JSON instead of a stream.
   */
  release(): void {
    this.#resources.dispose();
  }

  #write(text: string): void {
    const { raw } = this.#reply;
    if (raw.destroyed || raw.writableEnded || text === '') return;
    // The state `answering` needs no buffer limit, because MAX_RESPONSE_BYTES already limits the whole result.
    const maxBufferedBytes = this.#state === 'answering' ? Number.POSITIVE_INFINITY : this.#options.maxBufferedBytes;
    const bufferedBytes = raw.writableLength;
    const encoded = encodeWithinLimit(text, bufferedBytes, maxBufferedBytes + this.#oversizedBytes);
    if (encoded === null) this.drop();
    else {
      if (bufferedBytes === 0) this.#oversizedBytes = oversizedBytes(encoded, maxBufferedBytes);
      raw.write(encoded, this.#noteWaiting);
      this.#noteWaiting();
    }
  }

  readonly #noteWaiting = (): void => {
    const { raw } = this.#reply;
    if (!raw.closed) this.#options.budget.note(this, raw.writableLength);
  };

  drop(): void {
    const { raw } = this.#reply;
    this.#options.log.info({ bufferedBytes: raw.writableLength }, 'the stream of a slow consumer is dropped');
    raw.destroy();
  }

  #endWith(text: string): void {
    const { raw } = this.#reply;
    if (raw.writableEnded) return;
    this.#write(text);
    raw.end();
    this.release();
  }

  #endWithSession(): void {
    this.end([{ message: 'The session has ended; sign in again.', extensions: { code: 'SESSION_EXPIRED' } }]);
  }

  #endForDrain(): void {
    const extensions = { code: 'SERVICE_UNAVAILABLE' satisfies PublicErrorCode, retryable: true };
    this.#endWith(this.#format.goAway([{ message: 'The gateway stops here; reconnect.', extensions }]));
  }

  #goAway(force: AbortSignal): Promise<void> {
    this.#isGoingAway = true;
    const { raw } = this.#reply;
    if (this.#state === 'started') this.#endForDrain();
    const signal = this.#state === 'started' ? AbortSignal.timeout(closeWithinMs) : force;
    return new Promise((resolve) => {
      if (raw.closed) return resolve();
      const destroy = () => {
        // If a query or mutation still runs, its client gets an error before the connection is closed.
        this.#endForDrain();
        raw.destroy();
      };
      signal.addEventListener('abort', destroy, { once: true });
      raw.once('close', resolve);
    });
  }
}
