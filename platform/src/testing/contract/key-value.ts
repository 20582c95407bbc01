import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { KeyValue } from '../../key-value.ts';

export interface KeyValueUnderTest extends AsyncDisposable {
  keyValue: KeyValue;
  /** Lets this much time pass. */
  wait(ms: number): Promise<void>;
}

/** What every adapter of the key-value port must do. */
export function keyValueContract(open: () => Promise<KeyValueUnderTest>): void {
  const setUp = async () => ({ ...(await open()), key: `key:${randomUUID()}` });
  const ttlMs = 2_000;

  it('gives back what was set, until it expires', async () => {
    await using set = await setUp();
    const { keyValue, wait, key } = set;
    expect(await keyValue.get(key)).toBeNull();
    await keyValue.set(key, 'value', { ttlMs });
    expect(await keyValue.get(key)).toBe('value');
    await keyValue.set(key, 'another', { ttlMs });
    expect(await keyValue.get(key)).toBe('another');
    await wait(ttlMs + 100);
    expect(await keyValue.get(key)).toBeNull();
  });

  it('lets a touch keep what exists, and never make what does not', async () => {
    await using set = await setUp();
    const { keyValue, wait, key } = set;
    expect(await keyValue.touch(key, { ttlMs })).toBeNull();
    expect(await keyValue.get(key)).toBeNull();
    await keyValue.set(key, 'value', { ttlMs });
    await wait(1_500);
    expect(await keyValue.touch(key, { ttlMs })).toBe('value');
    await wait(1_500);
    expect(await keyValue.get(key)).toBe('value');
    await wait(1_000);
    expect(await keyValue.touch(key, { ttlMs })).toBeNull();
  });

  it('tells the time that is left, and changes nothing by it', async () => {
    await using set = await setUp();
    const { keyValue, wait, key } = set;
    expect(await keyValue.peek(key)).toBeNull();
    await keyValue.set(key, 'value', { ttlMs });
    await wait(500);
    const left = await keyValue.peek(key);
    expect(left?.value).toBe('value');
    expect(left?.expiresInMs).toBeGreaterThan(500);
    expect(left?.expiresInMs).toBeLessThanOrEqual(1_500);
  });

  it('deletes, and says whether there was something to delete', async () => {
    await using set = await setUp();
    const { keyValue, key } = set;
    expect(await keyValue.delete(key)).toBe(false);
    await keyValue.set(key, 'value', { ttlMs });
    expect(await keyValue.delete(key)).toBe(true);
    expect(await keyValue.get(key)).toBeNull();
  });

  it('does not let a touch that races a delete bring the key back', async () => {
    await using set = await setUp();
    const { keyValue, key } = set;
    await keyValue.set(key, 'value', { ttlMs });
    await Promise.all([
      ...Array.from({ length: 10 }, () => keyValue.touch(key, { ttlMs })),
      keyValue.delete(key),
      ...Array.from({ length: 10 }, () => keyValue.touch(key, { ttlMs })),
    ]);
    expect(await keyValue.get(key)).toBeNull();
  });

  it('keeps any text', async () => {
    await using set = await setUp();
    const { keyValue, key } = set;
    const text = `${'x'.repeat(10_000)} {"a": "ü€😀"}\n'";--`;
    await keyValue.set(key, text, { ttlMs });
    expect(await keyValue.get(key)).toBe(text);
  });

  it('answers a ping', async () => {
    await using set = await setUp();
    const { keyValue } = set;
    await keyValue.ping();
  });
}
