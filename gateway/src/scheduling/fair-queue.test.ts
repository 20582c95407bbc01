import fc from 'fast-check';
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

  // Regression: eviction copied all items of a requester to find the last one. When the queue was full, this blocked
  // the event loop for seconds.
  it('takes no more steps for a long queue than for a short one', () => {
    const countSteps = (items: number) => {
      const queue = new FairQueue<number>();
      for (let item = 0; item < items; item += 1) queue.push('crowd', item);
      using steps = countIteratorSteps();
      for (let time = 0; time < 5; time += 1) {
        queue.shift();
        queue.shift(() => true);
        queue.evict();
      }
      return steps.count;
    };
    expect(countSteps(2_000)).toBe(countSteps(20));
  });

  it('keeps turns, order and sizes, whatever the calls', () => {
    const call = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), requester: fc.constantFrom('a', 'b', 'c', 'd') }),
      fc.record({ kind: fc.constant('delete' as const), index: fc.nat({ max: 20 }) }),
      fc.record({ kind: fc.constantFrom('oldest' as const, 'newest' as const, 'evict' as const) }),
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const queue = new FairQueue<string>();
        /** The requesters in the order of their turns, with their items. */
        let round: string[][] = [];
        calls.forEach((each, index) => {
          if (each.kind === 'push') {
            const item = `${each.requester}${index}`;
            queue.push(each.requester, item);
            const items = round.find(([first]) => first?.startsWith(each.requester));
            if (items) items.push(item);
            else round.push([item]);
          } else if (each.kind === 'delete') {
            const item = round.flat()[each.index];
            expect(queue.delete(item?.[0] ?? 'a', item ?? 'absent')).toBe(item !== undefined);
            round = round.map((items) => items.filter((one) => one !== item));
          } else if (each.kind === 'evict') {
            const most = Math.max(0, ...round.map(({ length }) => length));
            const evicted = queue.evict();
            const items = round.find((some) => some.at(-1) === evicted);
            expect(items?.length ?? 0).toBe(most);
            items?.pop();
          } else {
            const [next = [], ...others] = round;
            round = [...others, next];
            const item = each.kind === 'oldest' ? next.shift() : next.pop();
            expect(queue.shift(() => each.kind === 'newest')).toBe(item);
          }
          round = round.filter(({ length }) => length > 0);
          expect(queue.size).toBe(round.flat().length);
        });
      }),
    );
  });
});

/** Counts the entries that iterators of any Set or Map read, until the returned value is disposed. */
function countIteratorSteps(): Disposable & { readonly count: number } {
  let count = 0;
  using releases = new DisposableStack();
  for (const collection of [new Set(), new Map()]) {
    const prototype = Object.getPrototypeOf(collection[Symbol.iterator]());
    const { next } = prototype;
    prototype.next = function (this: unknown) {
      count += 1;
      return next.call(this);
    };
    releases.defer(() => {
      prototype.next = next;
    });
  }
  const owned = releases.move();
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}
