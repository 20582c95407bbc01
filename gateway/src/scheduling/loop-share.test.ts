import { describe, expect, it, vi } from 'vitest';
import { createLoopShare } from './loop-share.ts';

/** Uses vitest's fake timers until disposed. Time advances only in `occupy` and `run`. */
function useFakeTime() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  return {
    /** Simulates work that blocks the event loop for `durationMs`. */
    occupy: (durationMs: number) => void vi.advanceTimersByTime(durationMs),
    /** Runs one timer after another until the work is done. */
    async run(work: Promise<unknown>) {
      let isDone = false;
      const done = work.finally(() => {
        isDone = true;
      });
      while (!isDone) await vi.advanceTimersToNextTimerAsync();
      await done;
    },
    [Symbol.dispose]: () => void vi.useRealTimers(),
  };
}

describe('loop share', () => {
  it('runs work at once after an idle time, and throws its error', async () => {
    const loopShare = createLoopShare();
    let hasRun = false;
    const running = loopShare.run(() => (hasRun = true), { requester: { name: 'a' }, bytes: 0 });
    expect(hasRun).toBe(true);
    expect(await running).toBe(true);
    await expect(
      loopShare.run(
        () => {
          throw new Error('fails');
        },
        { requester: { name: 'a' }, bytes: 0 },
      ),
    ).rejects.toThrow('fails');
  });

  it('leaves most of the time to other work, for any load', async () => {
    // Regression: a client that kept sending documents that fail before planning blocked the event loop all the time.
    using time = useFakeTime();
    const loopShare = createLoopShare({ share: 0.25, burstMs: 5 });
    const startedAtMs = performance.now();
    let workMs = 0;
    const work = () => {
      time.occupy(4);
      workMs += 4;
    };
    await time.run(
      Promise.all(Array.from({ length: 25 }, () => loopShare.run(work, { requester: { name: 'a' }, bytes: 0 }))),
    );
    const share = workMs / (performance.now() - startedAtMs);
    // The measured share may exceed 0.25. The first work started without a wait, and the wait after the last work is
    // not measured.
    expect(share).toBeLessThan(0.35);
  });

  it('counts the estimated time of later work', async () => {
    using time = useFakeTime();
    const loopShare = createLoopShare({ share: 0.5, burstMs: 0 });
    const startedAtMs = performance.now();
    const options = { requester: { name: 'a' }, bytes: 0, followingMs: 20 };
    const runThrice = async () => {
      for (let index = 0; index < 3; index += 1) await loopShare.run(() => {}, options);
    };
    await time.run(runThrice());
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(80 - 1);
  });

  it('serves requesters in turns', async () => {
    using time = useFakeTime();
    const loopShare = createLoopShare({ burstMs: 0 });
    const order: string[] = [];
    const run = (name: string) =>
      loopShare.run(
        () => {
          time.occupy(1);
          order.push(name);
        },
        { requester: { name: name[0] as string }, bytes: 0 },
      );
    await time.run(Promise.all(['a1', 'a2', 'a3', 'a4', 'b1'].map(run)));
    expect(order).toEqual(['a1', 'a2', 'b1', 'a3', 'a4']);
  });
});
