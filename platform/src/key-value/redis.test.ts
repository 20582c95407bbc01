import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../log.ts';
import { keyValueContract } from '../testing/contract/key-value.ts';
import { hasRealEngines, realEngines } from '../testing/real-engines.ts';
import { createRedisKeyValue } from './redis.ts';

describe.runIf(hasRealEngines())('the key-value port on Redis', () => {
  const open = async () => {
    const keyValue = await createRedisKeyValue({ url: realEngines().REDIS_URL, log: silentLog });
    return {
      keyValue,
      // Redis's clock is nobody's to move.
      wait: async (ms: number) => void (await sleep(ms)),
      [Symbol.asyncDispose]: () => keyValue[Symbol.asyncDispose](),
    };
  };
  keyValueContract(open);

  it('gives every key an expiry', async () => {
    await using set = await open();
    const key = `key:${randomUUID()}`;
    await set.keyValue.set(key, 'value', { ttlMs: 5_000 });
    await set.keyValue.touch(key, { ttlMs: 60_000 });
    const redis = new Redis(realEngines().REDIS_URL);
    const left = await redis.pttl(key);
    redis.disconnect();
    expect(left).toBeGreaterThan(5_000);
    expect(left).toBeLessThanOrEqual(60_000);
  });
});

it('says at the start, naming the setting, that Redis does not answer', async () => {
  const url = 'redis://user:hunter2@127.0.0.1:9';
  const opening = createRedisKeyValue({ url, log: silentLog });
  await expect(opening).rejects.toMatchObject({ code: 'KEY_VALUE_UNAVAILABLE', retryable: true });
  await expect(opening).rejects.toThrow('REDIS_URL: Redis does not answer at redis://user:…@127.0.0.1:9');
});
