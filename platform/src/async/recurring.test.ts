import { expect, it } from 'vitest';
import { createTestClock } from './clock.ts';
import { startRecurring } from './recurring.ts';

/** Starts recurring work. The test decides when each run ends. */
function setUp() {
  const clock = createTestClock();
  const turns: (PromiseWithResolvers<void> & { signal: AbortSignal })[] = [];
  const failures: unknown[] = [];
  const recurring = startRecurring({
    clock,
    everyMs: 60_000,
    work: (signal) => {
      const turn = Promise.withResolvers<void>();
      turns.push({ ...turn, signal });
      return turn.promise;
    },
    onFailure: (error) => failures.push(error),
  });
  return { clock, turns, failures, recurring };
}

it('recurring: starts a run only after the previous one has ended', async () => {
  const { clock, turns, recurring } = setUp();
  clock.advance(60_000);
  clock.advance(600_000);
  expect(turns).toHaveLength(1);
  turns[0]?.resolve();
  await clock.whenPending(1);
  clock.advance(60_000);
  expect(turns).toHaveLength(2);
  turns[1]?.resolve();
  await recurring[Symbol.asyncDispose]();
});

it('recurring: reports a failed run, and continues with the next one', async () => {
  const { clock, turns, failures, recurring } = setUp();
  clock.advance(60_000);
  turns[0]?.reject(new Error('away'));
  await clock.whenPending(1);
  expect(failures).toEqual([new Error('away')]);
  clock.advance(60_000);
  expect(turns).toHaveLength(2);
  turns[1]?.resolve();
  await recurring[Symbol.asyncDispose]();
});

it('recurring: aborts the current run at stop, and awaits it', async () => {
  const { clock, turns, failures, recurring } = setUp();
  clock.advance(60_000);
  let hasStopped = false;
  const stopping = recurring[Symbol.asyncDispose]().then(() => {
    hasStopped = true;
  });
  expect(turns[0]?.signal.aborted).toBe(true);
  await Promise.resolve();
  expect(hasStopped).toBe(false);
  turns[0]?.reject(new Error('it was ended'));
  await stopping;
  expect([failures, clock.pending]).toEqual([[], 0]);
});
