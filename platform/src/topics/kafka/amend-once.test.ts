import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { createMemoryLog } from '../../testing/log.ts';
import { amendOnce } from './amend-once.ts';

const path = 'kafkajs/src/consumer/consumerGroup';

it.each([
  ['method of another source', { path, method: 'leave' }],
  ['method that is gone', { path, method: 'leaveSlowly' }],
  ['class that is gone', { path: 'kafkajs/src/consumer/nobody', method: 'leave' }],
])('kafkajs: a %s stays as it is, and a warning says so', (_, given) => {
  const log = createMemoryLog();
  const { prototype } = createRequire(import.meta.url)(path);
  const original = prototype[given.method];
  amendOnce({ ...given, writtenFor: '0'.repeat(64), amend: () => () => 'amended', without: 'members stay' }, log);
  expect(prototype[given.method]).toBe(original);
  expect(JSON.parse(log.text)).toMatchObject({
    level: 'warn',
    class: given.path,
    method: given.method,
    msg: expect.stringContaining('members stay'),
  });
});
