import { expect, it } from 'vitest';
import { kidOf, runAdmin } from '../admin-command.ts';
import { startCustomer } from '../customer.ts';
import { startStandalone } from '../standalone-process.ts';
import { createPreparedSetup } from './system.ts';

it('admin: ends sessions and revokes a key while npm start is stopped', { timeout: 180_000 }, async () => {
  await using setup = await createPreparedSetup();
  const { environment } = setup;
  let standalone = await startStandalone(environment);
  await using ann = await startCustomer(standalone);
  await using bob = await startCustomer(standalone);
  const kid = kidOf(bob.token);
  const codeFor = async (customer: typeof ann) =>
    (await customer.answerOf('{ me { username } }')).errors?.[0]?.extensions?.code ?? 'OK';

  const whileItRuns = await runAdmin(environment, ['end-sessions', ann.username]);
  expect(whileItRuns).toMatchObject({ code: 1, stdout: '' });
  expect(whileItRuns.stderr).toContain('stop it, run the command, and start it again');
  await standalone.stop('SIGTERM');
  expect(await runAdmin(environment, ['end-sessions', ann.username])).toEqual({
    code: 0,
    stdout: `1 session of ${ann.username} ended.`,
    stderr: '',
  });
  standalone = await startStandalone(environment);
  expect([await codeFor(ann), await codeFor(bob)]).toEqual(['SESSION_EXPIRED', 'OK']);

  await standalone.stop('SIGTERM');
  expect(await runAdmin(environment, ['revoke-key', kid])).toMatchObject({ code: 0, stderr: '' });
  standalone = await startStandalone(environment);
  expect([await codeFor(ann), await codeFor(bob)]).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
  await using carl = await startCustomer(standalone);
  expect(await codeFor(carl)).toBe('OK');
  await standalone.stop('SIGKILL');
});

it('admin: prints its usage, and exits with 2', async () => {
  const { code, stdout, stderr } = await runAdmin({}, ['revoke']);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('npm run admin -- revoke-key <kid>');
});
