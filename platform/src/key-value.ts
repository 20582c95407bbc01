/**
 * The key-value port: strings with an expiry. Adapters: `key-value/embedded` (a table) and Redis.
 *
 * While the store is down all methods throw CodedError KEY_VALUE_UNAVAILABLE (retryable), at once or after a time-out.
 */
export interface KeyValue extends AsyncDisposable {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { ttlMs: number }): Promise<void>;
  /** Resets the expiry of a key and returns its value; null if the key does not exist. */
  touch(key: string, options: { ttlMs: number }): Promise<string | null>;
  /** The value and the time until it expires; changes nothing. */
  peek(key: string): Promise<{ value: string; expiresInMs: number } | null>;
  /**
   * Atomically adds to a whole number, and returns the sum with the time until it expires. A missing key is created
   * from 0 with `ttlMs`; an existing key keeps its expiry.
   */
  increment(key: string, by: number, options: { ttlMs: number }): Promise<{ value: number; expiresInMs: number }>;
  /** True if the key existed. */
  delete(key: string): Promise<boolean>;
  /** `ok`, or `degraded` if the store answers but rejects writes, for example because its memory is full. */
  ping(): Promise<'ok' | 'degraded'>;
}
