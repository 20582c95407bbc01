import type { GraphQLFormattedError } from 'graphql';

/** The receiver of a subscription's results: one operation of a client's connection, over any transport. */
export interface Subscriber {
  /**
   * Sends a result to the client. Must not throw.
   *
   * @param json the GraphQL result as JSON
   * @param cursor cursor after which the client can resume; null if the field has no stored events
   */
  next(json: string, cursor: string | null): void;
  /** Ends the operation, with errors if it failed. */
  end(errors?: readonly GraphQLFormattedError[]): void;
  /**
   * Called once, when all missed events have been sent. After this call, the subscription no longer uses the signal of
   * its context.
   */
  onLive?(): void;
  /**
   * Resolves when the connection can take more: its buffer is empty or, over HTTP, almost empty. Catch-up awaits this
   * promise before the next event (backpressure).
   */
  flushed(): Promise<void>;
}
