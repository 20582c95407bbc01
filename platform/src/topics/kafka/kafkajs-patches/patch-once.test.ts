import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { createMemoryLog } from '../../../testing/log.ts';
import { patchModuleOnce, patchOnce } from './patch-once.ts';

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

const requestPath = 'kafkajs/src/protocol/request';
const requestHash = createHash('sha256')
  .update(createRequire(import.meta.url)(requestPath).toString())
  .digest('hex');

it.each([
  ['of another source', { path: requestPath, usedBy: 'kafkajs/nobody', writtenFor: '0'.repeat(64) }],
  ['that is gone', { path: 'kafkajs/src/nobody', usedBy: 'kafkajs/nobody', writtenFor: requestHash }],
  ['that is used already', { path: requestPath, usedBy: requestPath, writtenFor: requestHash }],
])('kafkajs: a function %s is not patched, and a warning is logged', (_, given) => {
  const log = createMemoryLog();
  const original = createRequire(import.meta.url)(requestPath);
  patchModuleOnce({ ...given, patch: () => () => 'patched', without: 'members stay' }, log);
  expect(createRequire(import.meta.url)(requestPath)).toBe(original);
  expect(JSON.parse(log.text)).toMatchObject({
    level: 'warn',
    module: given.path,
    msg: expect.stringContaining('members stay'),
  });
});
