import { expect, it } from 'vitest';
import { createMemoryLog } from '../testing/log.ts';
import { createConsumerFailures } from './consumer-failures.ts';
import { reportStopped } from './group-context.ts';

it('consumer: reports that it stopped, with a stable code and the last error', () => {
  const log = createMemoryLog();
  const failures = createConsumerFailures();
  const fields = { topic: 'steps', group: 'readers' };
  reportStopped({ failures, reader: {}, log, fields, error: Object.assign(new Error('no'), { code: '23514' }) });
  expect(failures.list()).toMatchObject([{ code: 'CONSUMER_STOPPED', ...fields }]);
  expect(JSON.parse(log.text)).toMatchObject({
    level: 'error',
    code: 'CONSUMER_STOPPED',
    ...fields,
    error: { errorCode: '23514' },
  });
});
