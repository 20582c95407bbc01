import { expect, it } from 'vitest';
import { type CallQueueOptions, createCallQueue } from './call-queue.ts';

/** A queue whose calls end when the test says so. */
function startQueue(options: Partial<CallQueueOptions> = {}) {
  const queue = createCallQueue({ maxRunning: 1, maxWaiting: 100, maxWaitingBytes: 1_000, ...options });
  const started: string[] = [];
  const running: PromiseWithResolvers<string>[] = [];
  return {
    started,
    run(name: string, { requester = name[0] ?? '', bytes = 1, signal = new AbortController().signal } = {}) {
      return queue.run(
        () => {
          started.push(name);
          const call = Promise.withResolvers<string>();
          running.push(call);
          return call.promise;
        },
        { requester, bytes, signal },
      );
    },
    /** Ends the running call, and the next ones, until none is left. */
    async endAll() {
      await new Promise(setImmediate);
      for (let call = running.shift(); call; call = running.shift()) {
        call.resolve('done');
        await new Promise(setImmediate);
      }
    },
  };
}

it('call queue: requesters take turns, however many calls each has', async () => {
  // Regression: a client with thousands of calls delayed all others until they were done.
  const { run, started, endAll } = startQueue();
  const all = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name) => run(name));
  await endAll();
  await Promise.all(all);
  expect(started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
});

it.each([
  ['calls', { maxWaiting: 3 }],
  ['bytes', { maxWaitingBytes: 3 }],
])('call queue: full of %s, it refuses the requester with the most', async (_what, options) => {
  const { run, endAll } = startQueue(options);
  const many = ['a1', 'a2', 'a3', 'a4'].map((name) => run(name).catch(({ code }) => code));
  const newcomer = run('b1');
  expect(await many[3]).toBe('QUEUE_FULL');
  await endAll();
  expect(await Promise.all([newcomer, ...many])).toEqual(['done', 'done', 'done', 'done', 'QUEUE_FULL']);
});

it.each([
  ['with a queue of none', { maxWaiting: 0 }],
  ['that is larger than the queue', { maxWaitingBytes: 0 }],
])('call queue: queues no call %s', async (_what, options) => {
  const { run, endAll } = startQueue(options);
  const first = run('a1');
  await expect(run('b1')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  await endAll();
  expect(await first).toBe('done');
});

it('call queue: removes a call whose caller leaves, and never starts it', async () => {
  const { run, started, endAll } = startQueue({ maxWaiting: 1 });
  const leaving = new AbortController();
  const first = run('a1');
  const left = run('b1', { signal: leaving.signal });
  leaving.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  const last = run('c1');
  await endAll();
  expect([await first, await last]).toEqual(['done', 'done']);
  expect(started).toEqual(['a1', 'c1']);
});
