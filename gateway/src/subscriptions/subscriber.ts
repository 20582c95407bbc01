import type { GraphQLFormattedError } from 'graphql';

/** Who takes a subscription's answers: one of a connection's operations, whatever the transport. */
export interface Subscriber {
  /**
   * Takes an answer. It must not throw, and is not waited for.
   *
   * @param json the GraphQL result as JSON
   * @param cursor behind which the subscription can be resumed; null where nothing is stored
   */
  next(json: string, cursor: string | null): void;
  /** Takes the end; with errors where it is because of them. */
  end(errors?: readonly GraphQLFormattedError[]): void;
  /** Called once, when nothing that it missed is left to be sent: the signal of its context is needed no more. */
  onLive?(): void;
  /** Resolves once what it was given has left this process, so that who has much to send can wait. */
  flushed(): Promise<void>;
}
