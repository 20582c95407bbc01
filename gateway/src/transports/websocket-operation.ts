import { randomBytes } from 'node:crypto';
import type { GraphQLFormattedError } from 'graphql';
import { MessageType } from 'graphql-ws';
import type { Subscription } from '../subscriptions/active-subscription.ts';
import type { Subscriber } from '../subscriptions/subscriber.ts';

/** The functions of a connection that its operations use. */
export interface OperationConnection {
  send(text: string): void;
  flushed(): Promise<void>;
  /** Called once, when the server has ended the operation. */
  onEnd(operation: SocketOperation): void;
  /** Called when releasing the operation failed. */
  onLeaveError(error: unknown): void;
}

/**
 * An operation of a WebSocket client. There is one per subscription, and a class instance takes less memory than
 * closures.
 */
export class SocketOperation implements Subscriber {
  readonly id: string;
  readonly #connection: OperationConnection;
  /**
   * Aborts the preparation, execution or catch-up. Null once the subscription is live, because nothing is left to
   * abort.
   */
  #controller: AbortController | null = new AbortController();
  #subscription: Subscription | null = null;
  #hasLeft = false;

  constructor(connection: OperationConnection, id: string) {
    this.#connection = connection;
    this.id = id;
  }

  /** False once the operation has ended, or the client has completed it or disconnected. */
  get isWanted(): boolean {
    return !this.#hasLeft;
  }

  /** Whether the operation is a started subscription. */
  get isSubscription(): boolean {
    return this.#subscription !== null;
  }

  /**
   * Aborts when the client completes the operation or disconnects. The getter throws once the subscription is live,
   * because the controller has then been released.
   */
  get signal(): AbortSignal {
    if (!this.#controller) throw new Error('a live subscription has no signal of its own');
    return this.#controller.signal;
  }

  /** Starts to send the subscription's results. Call it only while `isWanted`. */
  start(subscription: Subscription): void {
    this.#subscription = subscription;
    subscription.start(this);
  }

  /** Aborts the work and unsubscribes. Never throws, so that the connection's other operations are not affected. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    try {
      this.#controller?.abort();
      this.#subscription?.[Symbol.dispose]();
    } catch (error) {
      this.#connection.onLeaveError(error);
    }
  }

  next(json: string): void {
    if (this.#hasLeft) return;
    this.#connection.send(`{"id":${JSON.stringify(this.id)},"type":"next","payload":${json}}`);
  }

  end(errors?: readonly GraphQLFormattedError[]): void {
    if (this.#hasLeft) return;
    this.leave();
    this.#connection.onEnd(this);
    const message = errors ? { type: MessageType.Error, payload: errors } : { type: MessageType.Complete };
    this.#connection.send(JSON.stringify({ id: this.id, ...message }));
  }

  onLive(): void {
    this.#controller = null;
  }

  flushed(): Promise<void> {
    return this.#connection.flushed();
  }
}

/**
 * Creates a request id, which is kept as long as the subscription. A string from `randomUUID` would take more memory,
 * because it is concatenated from many parts.
 */
export const newRequestId = () => randomBytes(16).toString('hex');
