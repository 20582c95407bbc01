import { describe, expect, it } from 'vitest';
import { bytesOf, type TopicMessage } from './message.ts';
import { MessageBuffer } from './message-buffer.ts';

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
const evictAll = (buffer: MessageBuffer) => {
  const evicted: TopicMessage[] = [];
  for (let next = buffer.evict(); next; next = buffer.evict()) evicted.push(next);
  return positions(evicted);
};
const maxBytes = Number.POSITIVE_INFINITY;

describe('message buffer', () => {
  it('keeps the last messages in order, and returns evicted ones', () => {
    const buffer = new MessageBuffer({ maxCount: 3, maxBytes });
    const evicted = Array.from({ length: 12 }, (_, index) => {
      buffer.add(message(index, 'ann'));
      return evictAll(buffer);
    });
    expect(evicted).toEqual([[], [], [], [0], [1], [2], [3], [4], [5], [6], [7], [8]]);
    expect(positions(buffer.all())).toEqual([9, 10, 11]);
  });

  it('stays within its bytes, and does not keep a message larger than that', () => {
    const buffer = new MessageBuffer({ maxCount: 100, maxBytes: 3 * bytesOf(message(0, 'ann')) });
    for (const position of [0, 1, 2]) buffer.add(message(position, 'ann'));
    expect(evictAll(buffer)).toEqual([]);
    buffer.add(message(3, 'bob'));
    expect(evictAll(buffer)).toEqual([0]);
    buffer.add(message(4, 'bob', 250));
    expect(evictAll(buffer)).toEqual([1, 2]);
    buffer.add(message(5, 'ann', 100_000));
    expect(evictAll(buffer)).toEqual([3, 4, 5]);
    expect(positions(buffer.all())).toEqual([]);
    expect(buffer.of('customer', 'bob')).toEqual([]);
    buffer.add(message(6, 'ann'));
    expect(evictAll(buffer)).toEqual([]);
    expect(positions(buffer.of('customer', 'ann'))).toEqual([6]);
  });

  it('looks up by field like a linear search, whenever the index is created', () => {
    const buffer = new MessageBuffer({ maxCount: 50, maxBytes });
    const all: TopicMessage[] = [];
    for (let position = 0; position < 500; position += 1) {
      const added = message(position, `customer ${(position * 7919) % 13}`);
      all.push(added);
      buffer.add(added);
      buffer.evict();
      const last = all.slice(-50);
      const customer = `customer ${position % 13}`;
      expect(buffer.of('customer', customer)).toEqual(last.filter(({ value }) => value.customer === customer));
      if (position > 200)
        expect(buffer.of('place', 'place 3')).toEqual(last.filter(({ value }) => value.place === 'place 3'));
    }
    expect(buffer.of('customer', 'nobody')).toEqual([]);
  });
});
