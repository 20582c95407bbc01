import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { KeyValue } from '../../key-value.ts';

export interface KeyValueUnderTest extends AsyncDisposable {
  keyValue: KeyValue;
  /** Makes a key older by `ms`, so that the key expires earlier. */
  age(key: string, ms: number): Promise<void>;
}

/** Tests for every adapter of the key-value port. */
export function keyValueContract(open: () => Promise<KeyValueUnderTest>): void {
  const setUp = async () => ({ ...(await open()), key: `key:${randomUUID()}` });
  const ttlMs = 60_000;

  it('get: returns the value until it expires', async () => {
    await using ctx = await setUp();
    const { keyValue, age, key } = ctx;
    expect(await keyValue.get(key)).toBeNull();
    await keyValue.set(key, 'value', { ttlMs });
    expect(await keyValue.get(key)).toBe('value');
    await keyValue.set(key, 'another', { ttlMs });
    expect(await keyValue.get(key)).toBe('another');
    await age(key, ttlMs + 100);
    expect(await keyValue.get(key)).toBeNull();
  });

  it('touch: extends a key that exists, and never creates one', async () => {
    await using ctx = await setUp();
    const { keyValue, age, key } = ctx;
    expect(await keyValue.touch(key, { ttlMs })).toBeNull();
    expect(await keyValue.get(key)).toBeNull();
    await keyValue.set(key, 'value', { ttlMs });
    await age(key, 45_000);
    expect(await keyValue.touch(key, { ttlMs })).toBe('value');
    await age(key, 45_000);
    expect(await keyValue.get(key)).toBe('value');
    await age(key, 30_000);
    expect(await keyValue.touch(key, { ttlMs })).toBeNull();
  });

  it('peek: returns the remaining time, and changes nothing', async () => {
    await using ctx = await setUp();
    const { keyValue, age, key } = ctx;
    expect(await keyValue.peek(key)).toBeNull();
    await keyValue.set(key, 'value', { ttlMs });
    await age(key, 15_000);
    const left = await keyValue.peek(key);
    expect(left?.value).toBe('value');
    expect(left?.expiresInMs).toBeGreaterThan(15_000);
    expect(left?.expiresInMs).toBeLessThanOrEqual(45_000);
  });

  it('delete: deletes, and returns whether the key existed', async () => {
    await using ctx = await setUp();
    const { keyValue, key } = ctx;
    expect(await keyValue.delete(key)).toBe(false);
    await keyValue.set(key, 'value', { ttlMs });
    expect(await keyValue.delete(key)).toBe(true);
    expect(await keyValue.get(key)).toBeNull();
  });

  it('increment: counts up and down from 0, and keeps the expiry of the first call', async () => {
    await using ctx = await setUp();
    const { keyValue, age, key } = ctx;
    expect((await keyValue.increment(key, 2, { ttlMs })).value).toBe(2);
    await age(key, 15_000);
    const second = await keyValue.increment(key, 3, { ttlMs });
    expect(second.value).toBe(5);
    expect(second.expiresInMs).toBeGreaterThan(0);
    expect(second.expiresInMs).toBeLessThanOrEqual(ttlMs - 15_000);
    expect((await keyValue.increment(key, -4, { ttlMs })).value).toBe(1);
    expect(await keyValue.get(key)).toBe('1');
  });

  it('increment: restarts from 0 once the key has expired', async () => {
    await using ctx = await setUp();
    const { keyValue, age, key } = ctx;
    await keyValue.increment(key, 7, { ttlMs });
    await age(key, ttlMs + 100);
    const again = await keyValue.increment(key, 1, { ttlMs });
    expect(again.value).toBe(1);
    expect(again.expiresInMs).toBeGreaterThan(ttlMs - 15_000);
  });

  it('increment: counts each of many concurrent calls', async () => {
    await using ctx = await setUp();
    const { keyValue, key } = ctx;
    const values = await Promise.all(Array.from({ length: 50 }, () => keyValue.increment(key, 1, { ttlMs: 60_000 })));
    expect(values.map(({ value }) => value).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, n) => n + 1),
    );
  });

  it('touch: does not restore a key in a race with delete', async () => {
    await using ctx = await setUp();
    const { keyValue, key } = ctx;
    await keyValue.set(key, 'value', { ttlMs });
    await Promise.all([
      ...Array.from({ length: 10 }, () => keyValue.touch(key, { ttlMs })),
      keyValue.delete(key),
      ...Array.from({ length: 10 }, () => keyValue.touch(key, { ttlMs })),
    ]);
    expect(await keyValue.get(key)).toBeNull();
  });

  it('set: stores any text', async () => {
    await using ctx = await setUp();
    const { keyValue, key } = ctx;
    const text = `${'x'.repeat(10_000)} {"a": "ü€😀"}\n'";--`;
    await keyValue.set(key, text, { ttlMs });
    expect(await keyValue.get(key)).toBe(text);
  });

  it('answers a ping', async () => {
    await using ctx = await setUp();
    const { keyValue } = ctx;
    await keyValue.ping();
  });
}
