import { expect, it } from 'vitest';
import { createOpenConnections } from './open-connections.ts';

it('counts what is open', () => {
  const connections = createOpenConnections();
  const one = connections.add(() => {});
  connections.add(() => {});
  expect(connections.count).toBe(2);
  one[Symbol.dispose]();
  expect(connections.count).toBe(1);
});

it('closes each once, in the order in which they came, spread over the window', async () => {
  const connections = createOpenConnections();
  const closedAt: number[] = [];
  const startedAt = performance.now();
  for (let index = 0; index < 50; index += 1) connections.add(() => void closedAt.push(performance.now() - startedAt));
  await connections.drain(100);
  expect(closedAt).toHaveLength(50);
  // Whatever the machine does, none comes before it is due, but for what a timer is coarse.
  expect(closedAt.every((at, index) => at >= index * 2 - 3)).toBe(true);
  expect(connections.count).toBe(0);
});

it('waits for the slowest to close, passes over those that leave by themselves, and closes newcomers at once', async () => {
  const connections = createOpenConnections();
  const slow = Promise.withResolvers<void>();
  let closed = 0;
  connections.add(() => slow.promise);
  const count = () => {
    closed += 1;
  };
  const leaving = connections.add(count);
  leaving[Symbol.dispose]();
  let isDrained = false;
  const drained = connections.drain(1).then(() => {
    isDrained = true;
  });
  expect(connections.isDraining).toBe(true);
  connections.add(count);
  await Promise.resolve();
  expect(closed).toBe(1);
  await new Promise(setImmediate);
  expect(isDrained).toBe(false);
  slow.resolve();
  await drained;
  expect(closed).toBe(1);
});
