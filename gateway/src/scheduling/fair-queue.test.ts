import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.ts';

describe('fair queue', () => {
  it('serves requesters in turns, in order of arrival', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(item[0] as string, item);
    const order = Array.from({ length: 7 }, () => queue.shift());
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', undefined]);
    expect(queue.size).toBe(0);
  });

  it('removes items', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'b1']) queue.push(item[0] as string, item);
    queue.delete('a', 'a1');
    queue.delete('b', 'b1');
    queue.delete('b', 'b1');
    expect([queue.size, queue.shift(), queue.shift()]).toEqual([1, 'a2', undefined]);
  });
});
