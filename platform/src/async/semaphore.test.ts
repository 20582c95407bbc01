import { expect, it } from 'vitest';
import { createSemaphore } from './semaphore.ts';

const never = new AbortController().signal;

it('semaphore: tryAcquire takes all requested permits or none', () => {
  const semaphore = createSemaphore(2);
  expect([semaphore.tryAcquire(3), semaphore.tryAcquire(2), semaphore.tryAcquire(1)]).toEqual([false, true, false]);
});

it('semaphore: gives a released permit to the longest waiting caller', async () => {
  const semaphore = createSemaphore(1);
  semaphore.tryAcquire(1);
  const order: string[] = [];
  const first = semaphore.acquire(never).then(() => order.push('first'));
  const second = semaphore.acquire(never).then(() => order.push('second'));
  semaphore.release();
  await first;
  semaphore.release();
  await second;
  expect(order).toEqual(['first', 'second']);
});

it('semaphore: acquire rejects when its signal aborts', async () => {
  const semaphore = createSemaphore(1);
  semaphore.tryAcquire(1);
  const stop = new AbortController();
  const waiting = semaphore.acquire(stop.signal);
  stop.abort(new Error('stop'));
  await expect(waiting).rejects.toThrow('stop');
  semaphore.release();
  await semaphore.idle();
});
