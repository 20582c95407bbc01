/**
 * The key-value port: strings with an expiry. Adapters: `key-value/embedded` (a table) and Redis.
 *
 * While the store is down, all methods throw CodedError KEY_VALUE_UNAVAILABLE (retryable), immediately or after a
 * time-out.
 */
export interface KeyValue extends AsyncDisposable {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { ttlMs: number }): Promise<void>;
  /** Resets the expiry of a key and returns its value; null if the key does not exist. */
  touch(key: string, options: { ttlMs: number }): Promise<string | null>;
  /** Returns a key's value, and the time until the key expires. The expiry does not change. */
  peek(key: string): Promise<{ value: string; expiresInMs: number } | null>;
  /**
   * Atomically adds to a whole number. Returns the sum, and the time until the key expires. A missing key starts at 0
   * and expires after `ttlMs`; an existing key keeps its expiry.
   */
  increment(key: string, by: number, options: { ttlMs: number }): Promise<{ value: number; expiresInMs: number }>;
  /** Deletes a key. Resolves with whether the key existed. */
  delete(key: string): Promise<boolean>;
  /** `ok`, or `degraded` if the store answers but rejects writes, for example because its memory is full. */
  ping(): Promise<'ok' | 'degraded'>;
}
