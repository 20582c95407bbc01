import { describe, expect, it } from 'vitest';
import { type Requester, WaitQueue, type WaitQueueOptions } from './wait-queue.ts';

describe('wait queue', () => {
  const setUp = (options: WaitQueueOptions = {}) => {
    const rejected: string[] = [];
    const queue = new WaitQueue<{ name: string; bytes: number; reject(error: { code: string }): void }>(options);
    const add = (name: string, { bytes = 10, ...requester }: Partial<Requester> & { bytes?: number } = {}) =>
      queue.add(
        { name: name[0] as string, ...requester },
        { name, bytes, reject: ({ code }) => rejected.push(`${name} ${code}`) },
      );
    return { queue, rejected, add };
  };

  it('notifies a requester when it has to wait, and once when the wait is over', () => {
    const { queue, add } = setUp({ maxWaiting: 2 });
    const notes: string[] = [];
    const waits = (name: string) => ({
      onWait: () => {
        notes.push(`${name} waits`);
        return () => void notes.push(`${name} waits no longer`);
      },
    });
    for (const name of ['a1', 'a2', 'b1']) add(name, waits(name));
    queue.shift();
    const leaving = new AbortController();
    add('c1', { ...waits('c1'), signal: leaving.signal });
    leaving.abort();
    expect(notes).toEqual([
      'a1 waits',
      'a2 waits',
      'a2 waits no longer',
      'b1 waits',
      'a1 waits no longer',
      'c1 waits',
      'c1 waits no longer',
    ]);
  });

  it('evicts from the requester with the most, by count and by bytes', () => {
    const { queue, rejected, add } = setUp({ maxWaiting: 3, maxWaitingBytes: 100 });
    for (const name of ['a1', 'a2', 'a3', 'b1']) add(name);
    expect(rejected).toEqual(['a3 SERVICE_UNAVAILABLE']);
    add('c1', { bytes: 80 });
    expect(rejected).toEqual(['a3 SERVICE_UNAVAILABLE', 'a2 SERVICE_UNAVAILABLE']);
    expect(queue.size).toBe(3);
  });

  it('evicts from the requester with the most bytes, if these exceed the limit', () => {
    // Regression: a few large entries of one requester evicted many small entries of another requester.
    const { rejected, add } = setUp({ maxWaitingBytes: 100 });
    for (const name of ['a1', 'a2', 'a3']) add(name, { bytes: 1 });
    add('b1', { bytes: 45 });
    add('b2', { bytes: 45 });
    add('b3', { bytes: 45 });
    add('c1', { bytes: 1 });
    expect(rejected).toEqual(['b2 SERVICE_UNAVAILABLE']);
  });

  it('rejects aborted entries, also those aborted before', () => {
    const { queue, rejected, add } = setUp();
    const leaving = new AbortController();
    add('a1', { signal: leaving.signal });
    add('a2');
    leaving.abort();
    add('a3', { signal: leaving.signal });
    expect(rejected).toEqual(['a1 SERVICE_UNAVAILABLE', 'a3 SERVICE_UNAVAILABLE']);
    expect([queue.shift()?.name, queue.size]).toEqual(['a2', 0]);
  });

  // Regression: under overload each entry waited almost until its client's time-out, so every response came too late.
  it('serves the newest entry of a requester first, once the oldest is overdue', () => {
    const { queue, add } = setUp({ newestFirstAfterMs: 0 });
    for (const name of ['a1', 'a2', 'b1', 'a3']) add(name);
    expect(Array.from({ length: 4 }, () => queue.shift()?.name)).toEqual(['a3', 'b1', 'a2', 'a1']);
  });

  it('rejects at once what can never wait', () => {
    const none = setUp({ maxWaiting: 0 });
    none.add('a1');
    const small = setUp({ maxWaitingBytes: 20 });
    small.add('a1');
    small.add('a2', { bytes: 21 });
    expect([none.rejected, small.rejected]).toEqual([['a1 SERVICE_UNAVAILABLE'], ['a2 SERVICE_UNAVAILABLE']]);
    expect([none.queue.size, small.queue.size]).toEqual([0, 1]);
  });

  it('rejects an entry after the time-out', async () => {
    const { queue } = setUp({ waitTimeoutMs: 1 });
    const rejected = new Promise((resolve) => queue.add({ name: 'a' }, { name: 'a1', bytes: 10, reject: resolve }));
    expect(await rejected).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(queue.size).toBe(0);
  });
});
