import { expect, it } from 'vitest';
import { createSlots } from './slots.ts';

const never = new AbortController().signal;

it('gives all that is asked for or nothing', () => {
  const slots = createSlots(2);
  expect([slots.tryTake(3), slots.tryTake(2), slots.tryTake(1)]).toEqual([false, true, false]);
});

it('gives a slot that comes back to who waits longest', async () => {
  const slots = createSlots(1);
  slots.tryTake(1);
  const order: string[] = [];
  const first = slots.take(never).then(() => order.push('first'));
  const second = slots.take(never).then(() => order.push('second'));
  slots.release();
  await first;
  slots.release();
  await second;
  expect(order).toEqual(['first', 'second']);
});

it('lets who waits give up', async () => {
  const slots = createSlots(1);
  slots.tryTake(1);
  const stop = new AbortController();
  const waiting = slots.take(stop.signal);
  stop.abort(new Error('stop'));
  await expect(waiting).rejects.toThrow('stop');
  slots.release();
  await slots.idle();
});
