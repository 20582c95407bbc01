import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CodedError } from '@voucher-gateway/platform/errors';
import { expect, it, onTestFinished, vi } from 'vitest';
import { runCommand } from './run-command.ts';

/** Runs a command in a separate process, and returns its output. */
async function printed(command: string) {
  const module = JSON.stringify(new URL('run-command.ts', import.meta.url).href);
  const script = `import(${module}).then(({ runCommand }) => runCommand('x', { usage: '', run: async () => { ${command} } }))`;
  return await promisify(execFile)(process.execPath, ['--eval', script]);
}

it('operators’ commands: print the cause of a failed statement, not its values', async () => {
  // Regression: on a read-only database a replay printed its statement, with the message's phone number and code.
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const listeners = process.listeners('warning');
  onTestFinished(() => {
    written.mockRestore();
    process.exitCode = undefined;
    process.removeAllListeners('warning');
    for (const listener of listeners) process.on('warning', listener);
  });
  const cause = new CodedError('DATABASE_UNAVAILABLE', 'The database is read-only.', { retryable: true });
  const failedQuery = new Error('Failed query: insert\nparams: +84901234567', { cause });
  await runCommand('replay', { usage: '', run: () => Promise.reject(failedQuery) });
  expect(process.exitCode).toBe(1);
  expect(written.mock.calls).toEqual([['The database is read-only.\n']]);
});

it('operators’ commands: print no warning about a timer of a library', async () => {
  const warn = (name: string) => `process.emitWarning('-1 is a negative number.', '${name}');`;
  const command = `${warn('TimeoutNegativeWarning')} ${warn('OtherWarning')} await new Promise(setImmediate); return { done: true, message: 'ok' };`;
  expect(await printed(command)).toEqual({ stdout: 'ok\n', stderr: 'OtherWarning: -1 is a negative number.\n' });
});
