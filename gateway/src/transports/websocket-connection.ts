import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { CloseCode, MessageType, type SubscribePayload } from 'graphql-ws';
import type { RawData } from 'ws';
import type { GatewayContext } from '../context.ts';
import type { ResultFormatter } from '../format-result.ts';
import { type LargeRequests, maxSmallBytes } from '../scheduling/large-requests.ts';
import type { LoopTurns } from '../scheduling/loop-turns.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';
import type { ClientSocket, SocketHandler } from './client-socket.ts';
import { closeCodes, closeSocket } from './close-socket.ts';
import type { OpenConnection } from './connections.ts';
import { waitForTurn } from './message-turns.ts';
import type { OperationServices } from './services.ts';
import {
  acknowledgement,
  formatPong,
  readAuthorization,
  readMessage,
  readSubscribeId,
  readSubscribePayload,
} from './websocket-message.ts';
import { newRequestId, type OperationConnection, SocketOperation } from './websocket-operation.ts';

/** Options that all connections share. */
export interface ConnectionOptions extends OperationServices {
  formatter: ResultFormatter;
  /** Limits the operations that start per turn of the event loop. */
  turns: LoopTurns;
  largeRequests: LargeRequests;
  /** Time-out for `connection_init`, after which the socket is closed with 4408. */
  connectionInitTimeoutMs: number;
  /** Limit of concurrent operations per connection; further ones fail with RATE_LIMITED. */
  maxOperations: number;
}

/**
 * Time that running operations have to finish after the session has ended. Otherwise a client would get no result of
 * `signOut`, because this mutation ends the session.
 */
const answerWithinMs = 1_000;

/**
 * The server side of one `graphql-transport-ws` connection, over `ws`. The server of graphql-ws is not used, because it
 * takes more memory per connection.
 *
 * @see https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export class SocketConnection implements SocketHandler, OperationConnection {
  readonly #options: ConnectionOptions;
  readonly #socket: ClientSocket;
  readonly #clientAddress: string;
  #state: 'new' | 'initialising' | 'ready' | 'session ended' = 'new';
  #initTimer: NodeJS.Timeout | undefined;
  #counted: OpenConnection | null = null;
  #identity: Identity | null = null;
  #authorization: string | null = null;
  #watch: Disposable | null = null;
  /** Operations by the id that the client has chosen. */
  #operations: Map<string, SocketOperation> | null = null;
  /**
   * Number of operations that are being prepared or executed, even if the client has already completed them. Started
   * subscriptions do not count.
   */
  #working = 0;
  #subscriptions = 0;
  #idle: PromiseWithResolvers<void> | null = null;
  /** Resolves when a large message may be parsed. Later messages of the client wait for this promise, in order. */
  #turn: Promise<void> | null = null;

  constructor(socket: ClientSocket, clientAddress: string, options: ConnectionOptions) {
    this.#socket = socket;
    this.#clientAddress = clientAddress;
    this.#options = options;
  }

  /** Adds the socket to the open connections. Returns false if a limit is reached. */
  open(): boolean {
    const { connections, connectionInitTimeoutMs } = this.#options;
    // The client counts as anonymous until `connection_init`.
    this.#counted = connections.tryAdd({ address: this.#clientAddress, isAnonymous: true }, (force) =>
      this.#goAway(force),
    );
    if (!this.#counted) return false;
    this.#initTimer = setTimeout(
      () => this.#close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout'),
      connectionInitTimeoutMs,
    );
    return true;
  }

  /** Closes the socket during the drain, as soon as no query, mutation or preparation runs. */
  async #goAway(force: AbortSignal): Promise<void> {
    await this.#untilIdle(force);
    await closeSocket(this.#socket, closeCodes.goingAway, 'Going away');
  }

  /** Resolves when `#working` is 0, the socket is closed, or the signal aborts. */
  #untilIdle(signal: AbortSignal): Promise<void> {
    if (this.#working === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    signal.addEventListener('abort', this.#idle.resolve as () => void, { once: true });
    return this.#idle.promise;
  }

  /** Handles a message of the client. Never throws. */
  receive(data: RawData): void {
    // The data is a Buffer, because the socket's `binaryType` is `nodebuffer`.
    this.#handle(data as Buffer).catch((error: unknown) => {
      this.#options.log.warn({ error }, 'a message could not be handled');
      this.#close(CloseCode.InternalServerError, 'Internal server error');
    });
  }

  async #handle(data: Buffer): Promise<void> {
    while (this.#turn) await this.#turn;
    const isLarge = data.length > maxSmallBytes;
    // Most large messages are parsed only when their operation may start. Until then only the id is read.
    const id = isLarge ? readSubscribeId(data) : null;
    if (isLarge && id === null) {
      this.#turn = waitForTurn(data.length, this.#clientAddress, this.#socket, this.#options.turns);
      await this.#turn;
      this.#turn = null;
    }
    // Messages are ignored once the socket is being closed.
    if (this.#socket.readyState !== this.#socket.OPEN || this.#state === 'session ended') return;
    if (id !== null) return this.#begin(id, data);
    const message = readMessage(data);
    if (message instanceof Error) return this.#close(CloseCode.BadRequest, message.message);
    switch (message.type) {
      case MessageType.ConnectionInit:
        return this.#initialise(message.payload as Record<string, unknown> | undefined);
      case MessageType.Ping:
        return this.send(formatPong(message.payload));
      case MessageType.Pong:
        return;
      case MessageType.Subscribe:
        return this.#begin(message.id, isLarge ? data : message.payload);
      case MessageType.Complete:
        return this.#leave(message.id);
      default:
        return this.#close(CloseCode.BadRequest, `Unexpected message of type ${message.type}`);
    }
  }

  async #initialise(parameters: Record<string, unknown> | undefined): Promise<void> {
    if (this.#state !== 'new')
      return this.#close(CloseCode.TooManyInitialisationRequests, 'Too many initialisation requests');
    this.#state = 'initialising';
    clearTimeout(this.#initTimer);
    this.#initTimer = undefined;
    const { gate, log } = this.#options;
    try {
      this.#authorization = readAuthorization(parameters);
      this.#identity = await gate.authenticate(this.#authorization);
    } catch (error) {
      if (isCodedError(error))
        return this.#close(error.retryable ? closeCodes.tryAgainLater : CloseCode.Forbidden, error.code);
      log.error({ error }, 'a connection could not be authenticated');
      return this.#close(closeCodes.internalError, 'INTERNAL_SERVER_ERROR');
    }
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#identity) {
      this.#counted?.signIn();
      this.#watch = gate.onSessionEnd(this.#identity, () => this.#endSession());
    }
    this.#state = 'ready';
    this.send(acknowledgement);
  }

  /**
   * @param sent the payload; for a large message, the bytes of the whole message, which are parsed when the operation
   *   may start
   */
  async #begin(id: string, sent: SubscribePayload | Buffer): Promise<void> {
    if (this.#state !== 'ready') return this.#close(CloseCode.Unauthorized, 'Unauthorized');
    this.#operations ??= new Map();
    const operations = this.#operations;
    if (operations.has(id))
      return this.#close(CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
    const { formatter, maxOperations } = this.#options;
    const operation = new SocketOperation(this, id);
    if (this.#working + this.#subscriptions >= maxOperations)
      return operation.end(
        formatter.formatErrors(
          new CodedError<PublicErrorCode>(
            'RATE_LIMITED',
            `A connection carries ${maxOperations} operations at once: end one first.`,
          ),
        ),
      );
    operations.set(id, operation);
    this.#working += 1;
    try {
      await this.#run(operation, sent);
    } catch (error) {
      if (isCodedError(error, 'SESSION_EXPIRED')) this.#endSession();
      if (operation.isWanted) operation.end(formatter.formatErrors(error));
    } finally {
      this.#working -= 1;
      // `setImmediate` delays the resolution, so that the result is sent before the socket is closed.
      if (this.#working === 0 && this.#idle) setImmediate(this.#idle.resolve);
    }
  }

  async #run(operation: SocketOperation, sent: SubscribePayload | Buffer): Promise<void> {
    const { operations, subscriptions, turns, largeRequests, gate, formatter } = this.#options;
    // Reading pauses while an operation waits, so that the client can't send faster than it is served.
    const onWait = () => this.#socket.pauseReading();
    const clientAddress = this.#clientAddress;
    const describeRequester = () => requesterOf({ clientAddress, signal: operation.signal, onWait });
    const isLarge = Buffer.isBuffer(sent);
    const bytes = isLarge ? sent.length : 2 * (sent.query?.length ?? 0);
    using place = isLarge ? await largeRequests.enter(describeRequester(), bytes) : undefined;
    if (!operation.isWanted) return;
    // The turn is taken last. Otherwise operations that have had their turn would wait for a place, and many of them
    // could start in the same turn of the event loop.
    await turns.enter(bytes, describeRequester);
    if (!operation.isWanted) return;
    const payload = isLarge ? readSubscribePayload(sent, operation.id) : sent;
    if (payload instanceof Error) return this.#close(CloseCode.BadRequest, payload.message);
    if (this.#identity) await gate.touch(this.#identity);
    if (!operation.isWanted) return;
    const context: GatewayContext = {
      identity: this.#identity,
      refusal: null,
      authorization: this.#authorization,
      requestId: newRequestId(),
      clientAddress,
      signal: operation.signal,
      onWait,
      place,
    };
    const prepared = await operations.prepare(payload, context);
    if (!operation.isWanted) return;
    if (prepared.definition.operation === 'subscription') {
      place?.[Symbol.dispose]();
      const subscription = await subscriptions.subscribe(prepared, context);
      if (!operation.isWanted || this.#state !== 'ready') return subscription[Symbol.dispose]();
      this.#subscriptions += 1;
      return operation.start(subscription);
    }
    const result = await operations.execute(prepared, context);
    if (!operation.isWanted) return;
    operation.next(formatter.stringify(result));
    operation.end();
  }

  /**
   * Aborts an operation without a message to the client. The operation counts against `maxOperations` until its work
   * has ended.
   */
  #leave(id: string): void {
    const operation = this.#operations?.get(id);
    if (!operation) return;
    operation.leave();
    this.onEnd(operation);
  }

  onEnd(operation: SocketOperation): void {
    if (this.#operations?.get(operation.id) === operation) this.#operations.delete(operation.id);
    if (operation.isSubscription) this.#subscriptions -= 1;
  }

  onLeaveError(error: unknown): void {
    this.#options.log.error({ error }, 'an operation could not be aborted');
  }

  send(text: string): void {
    this.#socket.sendText(text);
  }

  flushed(): Promise<void> {
    return this.#socket.flushed();
  }

  /** Ends all subscriptions immediately, gives running operations a short time to finish, and closes the socket. */
  #endSession(): void {
    if (this.#state === 'session ended') return;
    this.#state = 'session ended';
    for (const { id, isSubscription } of [...(this.#operations?.values() ?? [])]) if (isSubscription) this.#leave(id);
    void this.#untilIdle(AbortSignal.timeout(answerWithinMs)).then(() =>
      this.#close(CloseCode.Forbidden, 'The session has ended'),
    );
  }

  #close(code: number, reason: string): void {
    void closeSocket(this.#socket, code, reason);
  }

  /** Releases everything, once the socket is closed. */
  release(): void {
    clearTimeout(this.#initTimer);
    this.#counted?.[Symbol.dispose]();
    this.#watch?.[Symbol.dispose]();
    for (const id of [...(this.#operations?.keys() ?? [])]) this.#leave(id);
    this.#idle?.resolve();
  }
}
