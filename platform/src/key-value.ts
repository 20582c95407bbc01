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
  /** True when there was something to delete. */
  delete(key: string): Promise<boolean>;
  ping(): Promise<void>;
}
