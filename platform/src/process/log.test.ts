import { expect, it } from 'vitest';
import { CodedError } from '../errors.ts';
import { createMemoryLog } from '../testing/log.ts';

it('log: writes JSON lines with level, service and fields, from its level up', () => {
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

it('log: redacts secrets that a call site passes by mistake, up to one level deep', () => {
  const log = createMemoryLog();
  log.info(
    { phoneNumber: '+84909', input: { password: 'hunter2', token: 'abc' }, authorization: 'Bearer abc' },
    'oops',
  );
  expect(log.text).not.toMatch(/84909|hunter2|abc/);
});

it('log: writes an error with its code and cause, without a query’s parameters', () => {
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
