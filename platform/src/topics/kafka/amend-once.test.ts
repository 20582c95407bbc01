import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { createMemoryLog } from '../../testing/log.ts';
import { patchOnce } from './amend-once.ts';

const path = 'kafkajs/src/consumer/consumerGroup';

it.each([
  ['method of another source', { path, method: 'leave' }],
  ['method that is gone', { path, method: 'leaveSlowly' }],
  ['class that is gone', { path: 'kafkajs/src/consumer/nobody', method: 'leave' }],
])('kafkajs: a %s is not patched, and a warning is logged', (_, given) => {
  const log = createMemoryLog();
  const { prototype } = createRequire(import.meta.url)(path);
  const original = prototype[given.method];
  patchOnce({ ...given, writtenFor: '0'.repeat(64), patch: () => () => 'patched', without: 'members stay' }, log);
  expect(prototype[given.method]).toBe(original);
  expect(JSON.parse(log.text)).toMatchObject({
    level: 'warn',
    class: given.path,
    method: given.method,
    msg: expect.stringContaining('members stay'),
  });
});
