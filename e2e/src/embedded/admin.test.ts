import { expect, it } from 'vitest';
import { kidOf, runAdmin } from '../admin-command.ts';
import { startCustomer } from '../customer.ts';
import { createPreparedSetup, startHere } from './system.ts';

it('admin: ends sessions and revokes a key while the stack is stopped', async () => {
  await using setup = await createPreparedSetup();
  const { environment } = setup;
  await using resources = new AsyncDisposableStack();
  const start = async () => resources.use(await startHere(setup));
  let stack = await start();
  await using ann = await startCustomer(stack);
  await using bob = await startCustomer(stack);
  const kid = kidOf(bob.token);
  const codeFor = async (customer: typeof ann) =>
    (await customer.answerOf('{ me { username } }')).errors?.[0]?.extensions?.code ?? 'OK';

  const whileItRuns = await runAdmin(environment, ['end-sessions', ann.username]);
  expect(whileItRuns).toMatchObject({ code: 1, stdout: '' });
  expect(whileItRuns.stderr).toContain('stop it, run the command, and start it again');
  await stack[Symbol.asyncDispose]();
  expect(await runAdmin(environment, ['end-sessions', ann.username])).toEqual({
    code: 0,
    stdout: `1 session of ${ann.username} ended.`,
    stderr: '',
  });
  stack = await start();
  expect([await codeFor(ann), await codeFor(bob)]).toEqual(['SESSION_EXPIRED', 'OK']);

  await stack[Symbol.asyncDispose]();
  expect(await runAdmin(environment, ['revoke-key', kid])).toMatchObject({ code: 0, stderr: '' });
  stack = await start();
  expect([await codeFor(ann), await codeFor(bob)]).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
  await using carl = await startCustomer(stack);
  expect(await codeFor(carl)).toBe('OK');
  // The three starts of the stack and the three commands took 190 s on a machine with a load of 30.
}, 600_000);

it('admin: prints its usage, and exits with 2', async () => {
  const { code, stdout, stderr } = await runAdmin({}, ['revoke']);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('npm run admin -- revoke-key <kid>');
});
