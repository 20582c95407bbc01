import { expect, it } from 'vitest';
import { createMemoryLog } from '../testing/log.ts';
import { defaultStopMs } from './lifecycle.ts';
import { silentLog } from './log.ts';
import { createStopStage, stopLimits } from './stop-stage.ts';

it('stop stage: stops all parts at once, and waits for the last', async () => {
  const stage = createStopStage({ withinMs: 60_000, log: silentLog });
  const stopped: string[] = [];
  const second = Promise.withResolvers<void>();
  stage.use({
    async [Symbol.asyncDispose]() {
      await second.promise;
      stopped.push('first');
    },
  });
  stage.defer(async () => {
    stopped.push('second');
    second.resolve();
  });
  await stage[Symbol.asyncDispose]();
  expect(stopped).toEqual(['second', 'first']);
});

// Regression: one part of a service waited for the database for the whole time of the stop. The parts that stop later
// had no time left.
it('stop stage: continues without a part that does not stop in time', async () => {
  const log = createMemoryLog();
  const stage = createStopStage({ withinMs: 1, log });
  stage.defer(() => new Promise(() => {}));
  await stage[Symbol.asyncDispose]();
  expect(log.text).toContain('the stop continues without it');
});

it('stop stage: throws the errors of all parts', async () => {
  const stage = createStopStage({ withinMs: 60_000, log: silentLog });
  for (const message of ['one', 'two']) stage.defer(() => Promise.reject(new Error(message)));
  await expect(stage[Symbol.asyncDispose]()).rejects.toMatchObject({
    error: { message: 'two' },
    suppressed: { message: 'one' },
  });
});

it('stop limits: the stages of a service stay below the deadline of a stop', () => {
  const { drainMs, workMs, attemptsMs, plannerMs, enginesMs, connectionsMs } = stopLimits;
  expect(workMs + attemptsMs + enginesMs).toBeLessThan(defaultStopMs);
  expect(drainMs + workMs + plannerMs + connectionsMs).toBeLessThan(defaultStopMs);
});
