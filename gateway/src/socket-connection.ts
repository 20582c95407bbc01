import { randomBytes } from 'node:crypto';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { GraphQLFormattedError } from 'graphql';
import { CloseCode, type Message, MessageType, type SubscribePayload, validateMessage } from 'graphql-ws';
import type { RawData, WebSocket } from 'ws';
import type { GatewayContext } from './context.ts';
import type { ResultFormatter } from './format-result.ts';
import type { OpenConnection } from './open-connections.ts';
import type { OperationServices } from './operation-services.ts';
import { toSend } from './slow-reader.ts';
import type { Subscriber } from './subscriptions/subscriber.ts';

/** What all connections share. */
export interface ConnectionOptions extends OperationServices {
  formatter: ResultFormatter;
  /** Time a client has to send `connection_init`, else 4408. */
  connectionInitTimeoutMs: number;
  /** Operations at once; more are answered RATE_LIMITED. */
  maxOperations: number;
  /** Bytes that may wait for the client to read them; with more it is closed with 1013. */
  maxBufferedBytes: number;
}

/** Close codes of the WebSocket protocol itself. */
export const closeCodes = { goingAway: 1001, internalError: 1011, tryAgainLater: 1013 } as const;

/** Time that a client has to answer a close, until it is cut off. */
const closeWithinMs = 1_000;

/** Bytes that the protocol allows the reason of a close (RFC 6455, 5.5); `ws` throws for more. */
const maxReasonBytes = 123;

/** The reason, cut at the end of a character where it is too long: a client's own text may be in it. */
function truncateReason(reason: string): string {
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(maxReasonBytes));
  return reason.slice(0, read);
}

/** Closes, and cuts off who does not answer; resolves when it is closed. Takes a reason of any length. */
export function closeSocket(socket: WebSocket, code: number, reason: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState === socket.CLOSED) return resolve();
    const timer = setTimeout(() => socket.terminate(), closeWithinMs);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.close(code, truncateReason(reason));
  });
}

/**
 * One client's side of the `graphql-transport-ws` protocol, over `ws`. A class, and of its own in place of graphql-ws's
 * server, for there are as many as clients: what each holds is what they cost.
 *
 * What is sent is handed to the socket at once, and what a slow client leaves there is counted: nothing else waits for
 * it, and it holds no more than `maxBufferedBytes`.
 *
 * @see https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export class SocketConnection {
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #clientAddress: string;
  #state: 'new' | 'initialising' | 'ready' = 'new';
  #initTimer: NodeJS.Timeout | undefined;
  #counted: OpenConnection | null = null;
  #identity: Identity | null = null;
  #authorization: string | null = null;
  #watch: Disposable | null = null;
  /** By the client's id. */
  #operations: Map<string, OpenOperation> | null = null;
  /** Queries and mutations that have not been answered. */
  #unanswered = 0;
  #onIdle: (() => void) | null = null;

  constructor(socket: WebSocket, clientAddress: string, options: ConnectionOptions) {
    this.#socket = socket;
    this.#clientAddress = clientAddress;
    this.#options = options;
  }

  /** Takes its place among the open connections; false where a limit is reached. */
  open(): boolean {
    const { connections, connectionInitTimeoutMs } = this.#options;
    // Until `connection_init` it is anonymous.
    this.#counted = connections.tryAdd({ address: this.#clientAddress, isAnonymous: true }, () => this.#goAway());
    if (!this.#counted) return false;
    this.#initTimer = setTimeout(
      () => this.#close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout'),
      connectionInitTimeoutMs,
    );
    return true;
  }

  /** Closes once nothing runs that the client waits an answer for. */
  async #goAway(): Promise<void> {
    if (this.#unanswered > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onIdle = resolve;
      await promise;
    }
    await closeSocket(this.#socket, closeCodes.goingAway, 'Going away');
  }

  /** Takes a message of the client. */
  receive(data: RawData): void {
    this.#handle(data).catch((error: unknown) => {
      this.#options.log.warn({ error }, 'a message could not be handled');
      this.#close(CloseCode.InternalServerError, 'Internal server error');
    });
  }

  async #handle(data: RawData): Promise<void> {
    // Nothing is taken from one that is being closed.
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const message = readMessage(data);
    if (message instanceof Error) return this.#close(CloseCode.BadRequest, message.message);
    switch (message.type) {
      case MessageType.ConnectionInit:
        return this.#initialise(message.payload as Record<string, unknown> | undefined);
      case MessageType.Ping:
        return this.send(
          JSON.stringify({ type: MessageType.Pong, ...(message.payload && { payload: message.payload }) }),
        );
      case MessageType.Pong:
        return;
      case MessageType.Subscribe:
        return this.#begin(message.id, message.payload);
      case MessageType.Complete:
        return this.leave(message.id);
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
    this.send(acknowledged);
  }

  async #begin(id: string, payload: SubscribePayload): Promise<void> {
    if (this.#state !== 'ready') return this.#close(CloseCode.Unauthorized, 'Unauthorized');
    this.#operations ??= new Map();
    const operations = this.#operations;
    if (operations.has(id))
      return this.#close(CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
    const { operations: pipeline, subscriptions, gate, formatter, maxOperations } = this.#options;
    if (operations.size >= maxOperations) {
      const refusal = new CodedError<PublicErrorCode>(
        'RATE_LIMITED',
        `A connection carries ${maxOperations} operations at once: end one first.`,
      );
      return new OpenOperation(this, id).end(formatter.formatErrors(refusal));
    }
    const operation = new OpenOperation(this, id);
    operations.set(id, operation);
    const isWanted = () => operations.get(id) === operation;
    try {
      if (this.#identity) await gate.touch(this.#identity);
      if (!isWanted()) return;
      const context: GatewayContext = {
        identity: this.#identity,
        refusal: null,
        authorization: this.#authorization,
        requestId: newRequestId(),
        clientAddress: this.#clientAddress,
      };
      const prepared = await pipeline.prepare(payload, context);
      if (!isWanted()) return;
      if (prepared.definition.operation === 'subscription') {
        const subscription = await subscriptions.subscribe(prepared, context);
        if (!isWanted()) return subscription[Symbol.dispose]();
        operation.subscription = subscription;
        return subscription.start(operation);
      }
      const result = await this.#answered(pipeline.execute(prepared, context));
      if (!isWanted()) return;
      operation.next(JSON.stringify(formatter.formatResult(result)));
      operation.end();
    } catch (error) {
      if (isCodedError(error, 'SESSION_EXPIRED')) this.#endSession();
      if (isWanted()) operation.end(formatter.formatErrors(error));
    }
  }

  /** An answer that the drain waits for. */
  async #answered<T>(answer: Promise<T>): Promise<T> {
    this.#unanswered += 1;
    try {
      return await answer;
    } finally {
      this.#unanswered -= 1;
      // What waits is told behind the answer.
      if (this.#unanswered === 0 && this.#onIdle) setImmediate(this.#onIdle);
    }
  }

  /** Ends an operation on this side. */
  leave(id: string): void {
    const operation = this.#operations?.get(id);
    this.#operations?.delete(id);
    operation?.subscription?.[Symbol.dispose]();
  }

  send(text: string): void {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return;
    const { maxBufferedBytes, log } = this.#options;
    const { bufferedAmount: bufferedBytes } = socket;
    const sent = toSend(text, bufferedBytes, maxBufferedBytes);
    if (sent !== null) {
      socket.send(sent, { binary: false });
      return;
    }
    log.info({ bufferedBytes }, 'a client reads too slowly: it is closed');
    this.#close(closeCodes.tryAgainLater, 'TOO_SLOW');
  }

  flushed(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      if (socket.readyState !== socket.OPEN || socket.bufferedAmount === 0) return resolve();
      // Written behind everything else: its turn is everything's.
      socket.ping('', false, () => resolve());
    });
  }

  #endSession(): void {
    this.#close(CloseCode.Forbidden, 'The session has ended');
  }

  #close(code: number, reason: string): void {
    void closeSocket(this.#socket, code, reason);
  }

  /** Lets go of everything, the socket being closed. */
  release(): void {
    clearTimeout(this.#initTimer);
    this.#counted?.[Symbol.dispose]();
    this.#watch?.[Symbol.dispose]();
    for (const id of [...(this.#operations?.keys() ?? [])]) this.leave(id);
    this.#onIdle?.();
  }
}

/** An operation that its client waits for. */
class OpenOperation implements Subscriber {
  readonly #connection: SocketConnection;
  readonly #id: string;
  /** Null while it is let in, and for a query or mutation. */
  subscription: Disposable | null = null;

  constructor(connection: SocketConnection, id: string) {
    this.#connection = connection;
    this.#id = id;
  }

  next(answer: string): void {
    this.#connection.send(`{"id":${JSON.stringify(this.#id)},"type":"next","payload":${answer}}`);
  }

  end(errors?: readonly GraphQLFormattedError[]): void {
    this.#connection.leave(this.#id);
    const message = errors ? { type: MessageType.Error, payload: errors } : { type: MessageType.Complete };
    this.#connection.send(JSON.stringify({ id: this.#id, ...message }));
  }

  flushed(): Promise<void> {
    return this.#connection.flushed();
  }
}

const acknowledged = JSON.stringify({ type: MessageType.ConnectionAck });

/** Held as long as the subscription: flat in memory, which a randomUUID is not. */
const newRequestId = () => randomBytes(16).toString('hex');

function readMessage(data: RawData): Message | Error {
  const value = parseJson(String(data));
  if (value === undefined) return new Error('The message is not JSON');
  try {
    return validateMessage(value);
  } catch (error) {
    return error as Error;
  }
}

/** Undefined where it does not parse: what the parser says quotes the text, and is not the client's to know. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readAuthorization(parameters: Readonly<Record<string, unknown>> | undefined): string | null {
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (name.toLowerCase() === 'authorization' && typeof value === 'string' && value.trim() !== '') return value;
  }
  return null;
}
