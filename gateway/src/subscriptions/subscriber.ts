import type { GraphQLFormattedError } from 'graphql';

/** The receiver of a subscription's results: an operation of a connection, over any transport. */
export interface Subscriber {
  /**
   * Sends a result. Must not throw.
   *
   * @param json the GraphQL result as JSON
   * @param cursor cursor to resume after; null if nothing is stored
   */
  next(json: string, cursor: string | null): void;
  /** Ends the operation, with errors if it failed. */
  end(errors?: readonly GraphQLFormattedError[]): void;
  /** Called once, when all missed events have been sent. The signal of the subscription's context is unused from then on. */
  onLive?(): void;
  /** Resolves once everything sent so far has left this process: the sender's backpressure. */
  flushed(): Promise<void>;
}
