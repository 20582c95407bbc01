import { expect, it } from 'vitest';
import { CodedError } from './errors.ts';
import { createMemoryLog } from './testing/log.ts';

it('writes JSON lines with level, service and fields, from its level on', () => {
  const log = createMemoryLog('info');
  log.debug({}, 'too small');
  log.child({ part: 'relay' }).info({ requestId: 'r1' }, 'sent');
  expect(
    log.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { level: 'info', time: expect.any(Number), service: 'test', part: 'relay', requestId: 'r1', msg: 'sent' },
  ]);
});

it('writes no secret that a call site passes by mistake, at the top or one level down', () => {
  const log = createMemoryLog();
  log.info(
    { phoneNumber: '+84909', input: { password: 'hunter2', token: 'abc' }, authorization: 'Bearer abc' },
    'oops',
  );
  expect(log.text).not.toMatch(/84909|hunter2|abc/);
});

it('writes an error with its code and cause, and no parameters of a query', () => {
  const log = createMemoryLog();
  const query = Object.assign(new Error('Failed query: insert … params: +84909'), {
    params: ['+84909'],
    query: 'insert',
  });
  log.error({ error: new CodedError('DATABASE_UNAVAILABLE', 'away', { cause: query, retryable: true }) }, 'failed');
  expect(JSON.parse(log.text).error).toMatchObject({
    errorCode: 'DATABASE_UNAVAILABLE',
    retryable: true,
    cause: { message: 'a database query failed' },
  });
  expect(log.text).not.toContain('84909');
});
