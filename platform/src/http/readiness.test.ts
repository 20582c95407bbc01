import { expect, it, onTestFinished, vi } from 'vitest';
import { createTestClock } from '../async/clock.ts';
import { createReadiness } from './readiness.ts';

const good = async () => {};
const bad = () => Promise.reject(new Error('away'));

it('readiness: fails only with a required engine, and reports the others', async () => {
  const read = (required: object, reported: object) =>
    createReadiness({ required: { ...required }, reported: { ...reported } }).read();
  expect(await read({ database: good }, { topics: bad })).toEqual({
    status: 'ok',
    engines: { topics: 'away', database: 'ok' },
  });
  expect(await read({ database: bad }, { topics: good })).toEqual({
    status: 'unavailable',
    engines: { topics: 'ok', database: 'away' },
  });
  const throws = () => {
    throw new Error('not even a promise');
  };
  expect((await read({ database: throws }, {})).status).toBe('unavailable');
});

it('readiness: reports a read-only engine as degraded, and stays ready', async () => {
  const readiness = createReadiness({ required: { 'key-value': async () => 'degraded' }, reported: { topics: good } });
  expect(await readiness.read()).toEqual({ status: 'ok', engines: { topics: 'ok', 'key-value': 'degraded' } });
});

it('readiness: probes at most once per second, and once for concurrent callers', async () => {
  const clock = createTestClock();
  let asked = 0;
  const readiness = createReadiness({ required: { database: async () => void asked++ }, clock });
  await Promise.all([readiness.read(), readiness.read(), readiness.read()]);
  clock.advance(999);
  await readiness.read();
  expect(asked).toBe(1);
  clock.advance(1);
  await readiness.read();
  expect(asked).toBe(2);
});

it('readiness: reports a stuck engine as away, and has one probe open', async () => {
  const clock = createTestClock();
  const answer = Promise.withResolvers<void>();
  let asked = 0;
  const hangs = () => {
    asked += 1;
    return answer.promise;
  };
  const readiness = createReadiness({ required: { database: hangs }, clock, timeoutMs: 5 });
  expect((await readiness.read()).engines).toEqual({ database: 'away' });
  clock.advance(1_000);
  expect((await readiness.read()).engines).toEqual({ database: 'away' });
  expect(asked).toBe(1);
  answer.resolve();
  clock.advance(1_000);
  expect((await readiness.read()).engines).toEqual({ database: 'ok' });
});

it('readiness: waits for a reported engine more briefly than load balancers wait', async () => {
  // Regression: a silent broker delayed each response by 2 s, and load balancers with a 1 s time-out saw no service
  // ready.
  const hangs = () => new Promise<never>(() => {});
  onTestFinished(() => void vi.useRealTimers());
  vi.useFakeTimers();
  const readiness = createReadiness({ required: { database: good }, reported: { topics: hangs }, timeoutMs: 60_000 });
  const report = vi.fn();
  void readiness.read().then(report);
  await vi.advanceTimersByTimeAsync(950);
  expect(report).toHaveBeenCalledWith({ status: 'ok', engines: { topics: 'away', database: 'ok' } });
});

it('readiness: a retired service is stopping at once, despite an earlier report', async () => {
  const readiness = createReadiness({ required: { database: good } });
  expect((await readiness.read()).status).toBe('ok');
  readiness.retire();
  expect((await readiness.read()).status).toBe('stopping');
});
