import { expect, it } from 'vitest';
import { CodedError } from '../errors.ts';
import { createMemoryLog } from '../testing/log.ts';
import { createFailureLines } from './failure-lines.ts';

it('failure lines: warn once about an engine that is down, log each other error', () => {
  // Regression: some services logged an outage at `error`, once per affected request.
  const log = createMemoryLog();
  const logFailure = createFailureLines(log);
  const away = new CodedError('DATABASE_UNAVAILABLE', 'The database does not answer.', { retryable: true });
  for (let time = 0; time < 50; time += 1) logFailure({ error: new Error('query', { cause: away }) }, 'it failed');
  for (let time = 0; time < 2; time += 1) logFailure({ error: new TypeError('ours') }, 'it failed');
  const lines = log.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: string });
  expect(lines.map(({ level }) => level)).toEqual(['warn', 'error', 'error']);
});
