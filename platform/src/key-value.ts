/**
 * The key-value port: strings that expire. Adapters: `key-value/embedded` (a table) and Redis.
 * Every key has an expiry. All methods throw CodedError KEY_VALUE_UNAVAILABLE (retryable) while the
 * store is away, at once and never by hanging.
 */
export interface KeyValue extends AsyncDisposable {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { ttlMs: number }): Promise<void>;
  /** Gives a key that exists a new expiry and answers its value; null, and no change, where it does not exist. */
  touch(key: string, options: { ttlMs: number }): Promise<string | null>;
  /** The value and the time it has left; changes nothing. */
  peek(key: string): Promise<{ value: string; expiresInMs: number } | null>;
  /**
   * Adds to a whole number in one step and answers the sum with the time that it has left. A key that does not exist is
   * created from 0 with the expiry given; one that exists keeps its expiry.
   */
  increment(key: string, by: number, options: { ttlMs: number }): Promise<{ value: number; expiresInMs: number }>;
  /** True when there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** Whether it takes changes as well (`ok`), or answers and refuses them (`degraded`), as where its memory is full. */
  ping(): Promise<'ok' | 'degraded'>;
}
