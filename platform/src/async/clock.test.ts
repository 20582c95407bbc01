import { expect, it } from 'vitest';
import { createTestClock, delay, systemClock, timeoutSignal } from './clock.ts';

it('test clock: fires timers in order as time advances, each at its own time', () => {
  const clock = createTestClock(1_000);
  const fired: [string, number][] = [];
  const set = (name: string, ms: number) => clock.setTimer(ms, () => fired.push([name, clock.now()]));
  set('later', 20);
  set('sooner', 10);
  const cancelled = set('never', 15);
  cancelled[Symbol.dispose]();
  clock.advance(15);
  expect(fired).toEqual([['sooner', 1_010]]);
  clock.advance(100);
  expect(fired).toEqual([
    ['sooner', 1_010],
    ['later', 1_020],
  ]);
  expect(clock.now()).toBe(1_115);
});

it('test clock: fires timers set by timers, and after a jump each timer once', () => {
  const clock = createTestClock(0);
  let ticks = 0;
  const tick = () =>
    clock.setTimer(10, () => {
      ticks += 1;
      tick();
    });
  tick();
  clock.advance(35);
  expect(ticks).toBe(3);
  clock.jump(1_000);
  expect(ticks).toBe(4);
});

it('delay: resolves after its time, or rejects with the reason of its signal', async () => {
  const clock = createTestClock();
  const waited = delay(clock, 100);
  clock.advance(100);
  await waited;
  const stop = new AbortController();
  const interrupted = delay(clock, 100, stop.signal);
  stop.abort(new Error('stop'));
  await expect(interrupted).rejects.toThrow('stop');
  await expect(delay(clock, 100, stop.signal)).rejects.toThrow('stop');
  expect(clock.pending).toBe(0);
});

it('timeout signal: aborts with TimeoutError, unless it was disposed', () => {
  const clock = createTestClock();
  const signal = timeoutSignal(clock, 50);
  const disposed = timeoutSignal(clock, 50);
  disposed[Symbol.dispose]();
  clock.advance(50);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  expect(disposed.aborted).toBe(false);
});

it('system clock: does not fire a timer beyond Node’s limit at once', () => {
  let fired = false;
  const timer = systemClock.setTimer(2 ** 40, () => {
    fired = true;
  });
  return new Promise<void>((resolve) =>
    setImmediate(() => {
      timer[Symbol.dispose]();
      expect(fired).toBe(false);
      resolve();
    }),
  );
});
