import { describe, expect, it } from 'vitest';
import { bytesOf, HeldMessages } from './held-messages.ts';
import type { TopicMessage } from './topic-window.ts';

const message = (position: number, customer: string, textLength = 100): TopicMessage => ({
  topic: 'moves',
  key: customer,
  value: { customer, place: `place ${position % 7}` },
  headers: {},
  partition: 0,
  position,
  publishedAt: 0,
  textLength,
});
const positions = (messages: Iterable<TopicMessage>) => [...messages].map(({ position }) => position);
const evictAll = (held: HeldMessages) => {
  const evicted: TopicMessage[] = [];
  for (let next = held.evict(); next; next = held.evict()) evicted.push(next);
  return positions(evicted);
};
const maxBytes = Number.POSITIVE_INFINITY;

describe('message buffer', () => {
  it('holds the last ones, in order, and returns what it evicts', () => {
    const held = new HeldMessages({ maxCount: 3, maxBytes });
    const evicted = Array.from({ length: 12 }, (_, index) => {
      held.add(message(index, 'ann'));
      return evictAll(held);
    });
    expect(evicted).toEqual([[], [], [], [0], [1], [2], [3], [4], [5], [6], [7], [8]]);
    expect(positions(held.all())).toEqual([9, 10, 11]);
  });

  it('holds no more bytes than it may, and none of a message that is larger than that', () => {
    const held = new HeldMessages({ maxCount: 100, maxBytes: 3 * bytesOf(message(0, 'ann')) });
    for (const position of [0, 1, 2]) held.add(message(position, 'ann'));
    expect(evictAll(held)).toEqual([]);
    held.add(message(3, 'bob'));
    expect(evictAll(held)).toEqual([0]);
    held.add(message(4, 'bob', 250));
    expect(evictAll(held)).toEqual([1, 2]);
    held.add(message(5, 'ann', 100_000));
    expect(evictAll(held)).toEqual([3, 4, 5]);
    expect(positions(held.all())).toEqual([]);
    expect(held.of('customer', 'bob')).toEqual([]);
    held.add(message(6, 'ann'));
    expect(evictAll(held)).toEqual([]);
    expect(positions(held.of('customer', 'ann'))).toEqual([6]);
  });

  it('finds by any field what a look at each would find, whenever the field is first asked for', () => {
    const held = new HeldMessages({ maxCount: 50, maxBytes });
    const all: TopicMessage[] = [];
    for (let position = 0; position < 500; position += 1) {
      const added = message(position, `customer ${(position * 7919) % 13}`);
      all.push(added);
      held.add(added);
      held.evict();
      const last = all.slice(-50);
      const customer = `customer ${position % 13}`;
      expect(held.of('customer', customer)).toEqual(last.filter(({ value }) => value.customer === customer));
      if (position > 200)
        expect(held.of('place', 'place 3')).toEqual(last.filter(({ value }) => value.place === 'place 3'));
    }
    expect(held.of('customer', 'nobody')).toEqual([]);
  });
});
