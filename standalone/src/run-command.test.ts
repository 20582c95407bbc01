import { CodedError } from '@voucher-gateway/platform/errors';
import { expect, it, onTestFinished, vi } from 'vitest';
import { runCommand } from './run-command.ts';

it('operators’ commands: print the cause of a failed statement, not its values', async () => {
  // Regression: on a read-only database a replay printed its statement, with the message's phone number and code.
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  onTestFinished(() => {
    written.mockRestore();
    process.exitCode = undefined;
  });
  const cause = new CodedError('DATABASE_UNAVAILABLE', 'The database is read-only.', { retryable: true });
  const failedQuery = new Error('Failed query: insert\nparams: +84901234567', { cause });
  await runCommand('replay', { usage: '', run: () => Promise.reject(failedQuery) });
  expect(process.exitCode).toBe(1);
  expect(written.mock.calls).toEqual([['The database is read-only.\n']]);
});
