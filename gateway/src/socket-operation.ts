import type { GraphQLFormattedError } from 'graphql';
import { MessageType } from 'graphql-ws';
import type { Subscription } from './subscriptions/active-subscription.ts';
import type { Subscriber } from './subscriptions/subscriber.ts';

/** The connection of an operation, as the operation uses it. */
export interface OperationConnection {
  send(text: string): void;
  flushed(): Promise<void>;
  /** Called once, when the operation has ended by itself. */
  onEnd(operation: SocketOperation): void;
  /** Called when what it had could not be released. */
  onLeaveError(error: unknown): void;
}

/** An operation that a WebSocket client waits for. A class, for there are as many as subscriptions. */
export class SocketOperation implements Subscriber {
  readonly id: string;
  readonly #connection: OperationConnection;
  /** Null once nothing of the operation's own can be aborted any more. */
  #controller: AbortController | null = new AbortController();
  #subscription: Subscription | null = null;
  #hasLeft = false;

  constructor(connection: OperationConnection, id: string) {
    this.#connection = connection;
    this.id = id;
  }

  /** Whether its client waits for it still. */
  get isWanted(): boolean {
    return !this.#hasLeft;
  }

  /** Whether it is a subscription that was started. */
  get isSubscription(): boolean {
    return this.#subscription !== null;
  }

  /** Aborts when the client leaves, until the subscription is live. */
  get signal(): AbortSignal {
    if (!this.#controller) throw new Error('a live subscription has no signal of its own');
    return this.#controller.signal;
  }

  /** Gives the client, who waits still, the subscription's answers. */
  start(subscription: Subscription): void {
    this.#subscription = subscription;
    subscription.start(this);
  }

  /** Ends it on this side: aborts what runs for it, and unsubscribes. Never throws: its connection has others. */
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
