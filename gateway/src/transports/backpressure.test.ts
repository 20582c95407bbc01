import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { createSendBudget, encodeWithinLimit } from './backpressure.ts';

const most = 100_000;

describe('encodeWithinLimit', () => {
  it('returns a short text unchanged while the buffer is empty', () => {
    expect(encodeWithinLimit('é', 0, most)).toBe('é');
  });

  it('returns bytes for a long text, and for any text while others are buffered', () => {
    const long = 'é'.repeat(10_000);
    expect(encodeWithinLimit(long, 0, most)).toEqual(Buffer.from(long));
    expect(encodeWithinLimit('é', 1, most)).toEqual(Buffer.from('é'));
  });

  it('returns null over the limit, but allows a larger text on an empty buffer', () => {
    expect(encodeWithinLimit('é', most - 2, most)).toEqual(Buffer.from('é'));
    expect(encodeWithinLimit('é', most - 1, most)).toBeNull();
    expect(encodeWithinLimit('x'.repeat(most * 2), 0, most)).toHaveLength(most * 2);
  });
});

describe('send budget', () => {
  const setUp = (maxBytes: number) => {
    const log = createMemoryLog();
    const budget = createSendBudget(maxBytes, log);
    const dropped: string[] = [];
    const consumer = (name: string) => ({ drop: () => void dropped.push(name) });
    return { budget, dropped, consumer, log };
  };

  it('counts the bytes of each connection as last noted', () => {
    const { budget, consumer, dropped } = setUp(100);
    const [one, two] = [consumer('one'), consumer('two')];
    budget.note(one, 40);
    budget.note(two, 50);
    budget.note(one, 10);
    expect(budget.waitingBytes).toBe(60);
    budget.note(two, 0);
    budget.note(two, 0);
    expect(budget.waitingBytes).toBe(10);
    expect(dropped).toEqual([]);
  });

  it('drops the connections with the most bytes, and no more than needed', () => {
    const { budget, consumer, dropped, log } = setUp(100);
    for (const [name, bytes] of [
      ['small', 20],
      ['large', 40],
      ['larger', 39],
    ] as const)
      budget.note(consumer(name), bytes);
    budget.note(consumer('one more'), 30);
    expect(dropped).toEqual(['large']);
    expect(budget.waitingBytes).toBe(89);
    budget.note(consumer('too large for all'), 101);
    expect(dropped).toEqual(['large', 'too large for all']);
    expect(budget.waitingBytes).toBe(89);
    expect(log.text).toContain('"ofThisOne":40');
    // The log has only one line, because repeated lines are summarised.
    expect(log.text.trim().split('\n')).toHaveLength(1);
  });
});
