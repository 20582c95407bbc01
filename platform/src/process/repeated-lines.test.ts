import { expect, it } from 'vitest';
import { createMemoryLog } from '../testing/log.ts';
import { createRepeatedLines } from './repeated-lines.ts';

const readLines = (log: { text: string }) =>
  log.text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

it('repeated lines: logs the first of each kind at once, and counts the rest', async () => {
  const log = createMemoryLog();
  const lines = createRepeatedLines(log, { everyMs: 50 });
  for (let index = 0; index < 1_000; index += 1) lines.warn('a', { requestId: `r${index}` }, 'it failed');
  lines.error('b', {}, 'another failed');
  expect(readLines(log)).toMatchObject([
    { msg: 'it failed', level: 'warn', count: 1, requestId: 'r0' },
    { msg: 'another failed', level: 'error', count: 1 },
  ]);
  await expect
    .poll(() => readLines(log)[2])
    .toMatchObject({ msg: 'it failed', level: 'warn', count: 999, requestId: 'r999' });
  expect(readLines(log)).toHaveLength(3);
});
