import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createTestClock } from '../async/clock.ts';
import { CodedError } from '../errors.ts';
import type { KeyValue } from '../key-value.ts';
import { readConfig } from '../process/config.ts';
import { openTestEngines } from '../testing/engines.ts';
import { createMemoryLog } from '../testing/log.ts';
import { allowWithoutStore, createRateLimiter, rateLimit } from './rate-limiter.ts';

const limit = { count: 3, windowMs: 60_000 };

async function setUp(options: { limit?: typeof limit | null } = {}) {
  const clock = createTestClock();
  const engines = await openTestEngines({ clock });
  const create = () =>
    createRateLimiter({ keyValue: engines.keyValue, name: 'tries', limit, message: 'Too many tries', ...options });
  return { clock, create, [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose]() };
}

describe('rate limiter', () => {
  it('rate limiter: rejects attempts over the limit, and says when to retry', async () => {
    await using set = await setUp();
    const limiter = set.create();
    for (let attempt = 0; attempt < 3; attempt += 1) await limiter.count('ann');
    set.clock.advance(20_500);
    await expect(limiter.count('ann')).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      message: 'Too many tries; try again in 40 s.',
      retryable: true,
      details: { retryAfterSeconds: 40 },
    });
    await limiter.count('bob');
    set.clock.advance(40_000);
    await limiter.count('ann');
  });

  it('rate limiter: processes share their counts', async () => {
    await using set = await setUp();
    const [one, other] = [set.create(), set.create()];
    const attempts = Array.from({ length: 10 }, (_, n) => (n % 2 ? one : other).count('ann'));
    const results = await Promise.allSettled(attempts);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  });

  it('rate limiter: an attempt that is taken back does not count', async () => {
    await using set = await setUp();
    const limiter = set.create();
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await limiter.count('ann');
      await limiter.takeBack('ann');
    }
    for (let attempt = 0; attempt < 3; attempt += 1) await limiter.count('ann');
    await expect(limiter.count('ann')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });

  it('rate limiter: a check rejects as the next attempt would, and counts nothing', async () => {
    await using set = await setUp();
    const limiter = set.create();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      for (const _turn of [1, 2, 3]) await limiter.check('ann');
      await limiter.count('ann');
    }
    set.clock.advance(20_500);
    for (const _turn of [1, 2])
      await expect(limiter.check('ann')).rejects.toMatchObject({
        code: 'RATE_LIMITED',
        details: { retryAfterSeconds: 40 },
      });
    set.clock.advance(40_000);
    await limiter.check('ann');
  });

  it('rate limiter: counts nothing when it is off', async () => {
    await using set = await setUp({ limit: null });
    const limiter = set.create();
    for (let attempt = 0; attempt < 20; attempt += 1) await limiter.count('ann');
  });

  it('rate limiter: fails while the store is down, or allows all if configured', async () => {
    const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
    const keyValue = { increment: away } as Partial<KeyValue> as KeyValue;
    const limiter = createRateLimiter({ keyValue, name: 'tries', limit, message: 'Too many tries' });
    await expect(limiter.count('ann')).rejects.toMatchObject({ code: 'KEY_VALUE_UNAVAILABLE' });
    const log = createMemoryLog();
    await allowWithoutStore(limiter, log).count('ann');
    expect(log.text).toContain('was not counted');
  });
});

describe('the setting of a rate limit', () => {
  const settings = z.object({ LIMIT: rateLimit('10/1m') });
  it.each([
    [undefined, { count: 10, windowMs: 60_000 }],
    ['5/2h', { count: 5, windowMs: 7_200_000 }],
    ['off', null],
  ])('rate limit: reads %s', (text, parsed) => expect(readConfig(settings, { LIMIT: text }).LIMIT).toEqual(parsed));

  it.each(['0/1m', '10', '10/', '/1m', '-1/1m', '1.5/1m', '10/1', '10/0s', '10/366d', '1e3/1m', 'on'])(
    'rate limit: rejects %s by name',
    (text) => expect(() => readConfig(settings, { LIMIT: text })).toThrow(/LIMIT must be a count and a time/),
  );
});
