import { expect, it } from 'vitest';
import { HeldMessages } from './held-messages.ts';
import type { TopicMessage } from './topic-window.ts';

const message = (position: number, customer: string): TopicMessage => ({
  topic: 'moves',
  key: customer,
  value: { customer, place: `place ${position % 7}` },
  headers: {},
  partition: 0,
  position,
  publishedAt: 0,
});
const positions = (messages: Iterable<TopicMessage>) => [...messages].map(({ position }) => position);

it('holds the last ones, in order, and says what it lets go of', () => {
  const held = new HeldMessages(3);
  const letGo = Array.from({ length: 12 }, (_, index) => held.add(message(index, 'ann'))?.position);
  expect(letGo).toEqual([undefined, undefined, undefined, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(positions(held.all())).toEqual([9, 10, 11]);
});

it('finds by any field what a look at each would find, whenever the field is first asked for', () => {
  const held = new HeldMessages(50);
  const all: TopicMessage[] = [];
  for (let position = 0; position < 500; position += 1) {
    const added = message(position, `customer ${(position * 7919) % 13}`);
    all.push(added);
    held.add(added);
    const last = all.slice(-50);
    const customer = `customer ${position % 13}`;
    expect(held.of('customer', customer)).toEqual(last.filter(({ value }) => value.customer === customer));
    if (position > 200)
      expect(held.of('place', 'place 3')).toEqual(last.filter(({ value }) => value.place === 'place 3'));
  }
  expect(held.of('customer', 'nobody')).toEqual([]);
});
