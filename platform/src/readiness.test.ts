import { expect, it } from 'vitest';
import { createTestClock } from './clock.ts';
import { createReadiness } from './readiness.ts';

const good = async () => {};
const bad = () => Promise.reject(new Error('away'));

it('readiness: fails only on what is required, and reports the rest', async () => {
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

it('readiness: reports an engine that takes no changes, and serves what needs none', async () => {
  const readiness = createReadiness({ required: { 'key-value': async () => 'degraded' }, reported: { topics: good } });
  expect(await readiness.read()).toEqual({ status: 'ok', engines: { topics: 'ok', 'key-value': 'degraded' } });
});

it('readiness: asks at most once a second, and once for all who ask together', async () => {
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

it('readiness: calls an engine that hangs away, and has one question open at it', async () => {
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

it('readiness: waits less for what is only reported than a probe does', async () => {
  // Regression: a silent broker kept each answer for 2 s. A probe that waits for 1 s took all services for unready.
  const hangs = () => new Promise<never>(() => {});
  const readiness = createReadiness({ required: { database: good }, reported: { topics: hangs }, timeoutMs: 60_000 });
  const startedAt = performance.now();
  expect(await readiness.read()).toEqual({ status: 'ok', engines: { topics: 'away', database: 'ok' } });
  expect(performance.now() - startedAt).toBeLessThan(950);
});

it('readiness: a retired service is stopping at once, whatever was asked before', async () => {
  const readiness = createReadiness({ required: { database: good } });
  expect((await readiness.read()).status).toBe('ok');
  readiness.retire();
  expect((await readiness.read()).status).toBe('stopping');
});
