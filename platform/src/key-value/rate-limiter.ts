import { RateLimiterRes } from 'rate-limiter-flexible';
import RateLimiterStoreAbstract from 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js';
import { z } from 'zod';
import { CodedError } from '../errors.ts';
import type { KeyValue } from '../key-value.ts';
import { oneOf, parseDurationMs } from '../process/config.ts';
import type { Log } from '../process/log.ts';
import { createRepeatedLines } from '../process/repeated-lines.ts';

/** A number of attempts per time span. The time span starts with the first attempt. */
export interface RateLimit {
  count: number;
  windowMs: number;
}

const maxWindowMs = 365 * 86_400_000;

/** Defines a setting such as `10/1m`, which means ten attempts per minute; `off` is parsed to null. */
export function rateLimit(fallback: string) {
  return z
    .string()
    .default(fallback)
    .transform((text, context): RateLimit | null => {
      if (text.trim() === 'off') return null;
      const [, count = '', window = ''] = /^(\d{1,9})\/(\S+)$/.exec(text.trim()) ?? [];
      const windowMs = parseDurationMs(window);
      if (Number(count) > 0 && windowMs !== null && windowMs > 0 && windowMs <= maxWindowMs)
        return { count: Number(count), windowMs };
      context.addIssue({ code: 'custom', message: 'must be a count and a time of at most 365d such as 10/1m, or off' });
      return z.NEVER;
    });
}

export const rateLimitsSetting = {
  RATE_LIMITS: oneOf(['on', 'off'], 'on').describe(
    '`off` disables all limits on attempts, for load tests and trusted networks, and logs a warning',
  ),
};

export interface RateLimiter {
  /**
   * Counts an attempt.
   * @throws CodedError RATE_LIMITED (retryable) with `retryAfterSeconds` over the limit; KEY_VALUE_UNAVAILABLE
   *   (retryable) while the store is down
   */
  count(key: string): Promise<void>;
  /** Throws the same errors as `count` if the next attempt would exceed the limit, but counts nothing. */
  check(key: string): Promise<void>;
  /** Takes back a counted attempt that must not count, such as a successful sign-in. Throws KEY_VALUE_UNAVAILABLE. */
  takeBack(key: string): Promise<void>;
}

export interface RateLimiterOptions {
  keyValue: KeyValue;
  /** A part of each key in the store, such as `sign-ins-per-address`. */
  name: string;
  /** The limit; with null, nothing is counted. */
  limit: RateLimit | null;
  /** The error message for clients, such as `Too many sign-ins`. */
  message: string;
}

/** Counts attempts per key in the key-value store, so that all processes share the counts. */
export function createRateLimiter({ keyValue, name, limit, message }: RateLimiterOptions): RateLimiter {
  if (!limit) return { count: async () => {}, check: async () => {}, takeBack: async () => {} };
  const limiter = new KeyValueRateLimiter(keyValue, name, limit);
  return {
    async count(key) {
      try {
        await limiter.consume(key);
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        throw rateLimited(message, refusal);
      }
    },
    async check(key) {
      const counted = await limiter.get(key);
      if (counted && counted.consumedPoints >= limit.count) throw rateLimited(message, counted);
    },
    async takeBack(key) {
      await limiter.reward(key);
    },
  };
}

function rateLimited(message: string, { msBeforeNext }: RateLimiterRes): CodedError {
  const retryAfterSeconds = Math.max(1, Math.ceil(msBeforeNext / 1_000));
  return new CodedError('RATE_LIMITED', `${message}; try again in ${retryAfterSeconds} s.`, {
    retryable: true,
    details: { retryAfterSeconds },
  });
}

/** Wraps a limiter. While the store is down, the wrapper allows every attempt and logs a warning. */
export function allowWithoutStore(limiter: RateLimiter, log: Log): RateLimiter {
  const lines = createRepeatedLines(log);
  const ignoreOutage = (error: unknown) => {
    if (!(error instanceof CodedError) || error.code !== 'KEY_VALUE_UNAVAILABLE') throw error;
    lines.warn(error.code, { error }, 'an attempt was not counted: the key-value store is not available');
  };
  return {
    count: (key) => limiter.count(key).catch(ignoreOutage),
    check: (key) => limiter.check(key).catch(ignoreOutage),
    takeBack: (key) => limiter.takeBack(key).catch(ignoreOutage),
  };
}

interface Counted {
  value: number;
  expiresInMs: number;
}

/** Counts in a {@link KeyValue} for the library rate-limiter-flexible, which calls the methods with an underscore. */
class KeyValueRateLimiter extends RateLimiterStoreAbstract {
  readonly #keyValue: KeyValue;

  constructor(keyValue: KeyValue, name: string, { count, windowMs }: RateLimit) {
    super({ storeClient: keyValue, keyPrefix: `limit:${name}`, points: count, duration: windowMs / 1_000 });
    this.#keyValue = keyValue;
  }

  async _upsert(key: string, points: number, ttlMs: number, replace: boolean): Promise<Counted> {
    if (!replace) return this.#keyValue.increment(key, points, { ttlMs });
    await this.#keyValue.set(key, String(points), { ttlMs });
    return { value: points, expiresInMs: ttlMs };
  }

  async _get(key: string): Promise<Counted | null> {
    const stored = await this.#keyValue.peek(key);
    return stored && { value: Number(stored.value), expiresInMs: stored.expiresInMs };
  }

  _delete(key: string): Promise<boolean> {
    return this.#keyValue.delete(key);
  }

  _getRateLimiterRes(_key: string, changedPoints: number, { value, expiresInMs }: Counted): RateLimiterRes {
    return new RateLimiterRes(Math.max(this.points - value, 0), expiresInMs, value, value === changedPoints);
  }
}
