import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { createSendBudget, encodeWithinLimit } from './backpressure.ts';

const most = 100_000;

describe('what is sent', () => {
  it('is a short text as it is where nothing waits', () => {
    expect(encodeWithinLimit('é', 0, most)).toBe('é');
  });

  it('is bytes where it may have to wait: a long text, and any behind others', () => {
    const long = 'é'.repeat(10_000);
    expect(encodeWithinLimit(long, 0, most)).toEqual(Buffer.from(long));
    expect(encodeWithinLimit('é', 1, most)).toEqual(Buffer.from('é'));
  });

  it('is nothing past what may wait, in bytes, and one larger than that where nothing waits', () => {
    expect(encodeWithinLimit('é', most - 2, most)).toEqual(Buffer.from('é'));
    expect(encodeWithinLimit('é', most - 1, most)).toBeNull();
    expect(encodeWithinLimit('x'.repeat(most * 2), 0, most)).toHaveLength(most * 2);
  });
});

describe('the send budget', () => {
  const setUp = (maxBytes: number) => {
    const log = createMemoryLog();
    const budget = createSendBudget(maxBytes, log);
    const dropped: string[] = [];
    const consumer = (name: string) => ({ drop: () => void dropped.push(name) });
    return { budget, dropped, consumer, log };
  };

  it('counts what waits for each, as it was noted last', () => {
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

  it('drops those with the most, and no more of them than it must', () => {
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
    // A flood of them is no flood of log lines.
    expect(log.text.trim().split('\n')).toHaveLength(1);
  });
});
