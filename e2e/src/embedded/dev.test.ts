import { cp, mkdir, mkdtempDisposable, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runDev } from '../standalone-process.ts';
import { createPreparedSetup } from './system.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Copies the repository, so that the test can change files. The copy shares the installed packages. */
async function makeWorkingCopy() {
  const folder = await mkdtempDisposable(join(tmpdir(), 'voucher-gateway-dev-'));
  const inCopy = (path: string) => join(folder.path, path);
  for (const path of ['package.json', 'scripts', 'standalone'])
    await cp(join(root, path), inCopy(path), { recursive: true });
  for (const path of ['gateway/src', 'platform', 'schema', 'subgraphs', 'voucher-integration', 'vps-mock'])
    await mkdir(inCopy(path), { recursive: true });
  await symlink(join(root, 'node_modules'), inCopy('node_modules'));
  return folder;
}

it('npm run dev: restarts on a change, logs readably, and exits with 0 on Ctrl-C', async () => {
  await using setup = await createPreparedSetup();
  await using copy = await makeWorkingCopy();
  const dev = runDev({ ...setup.environment, LOG_LEVEL: 'debug' }, copy.path);
  await dev.printed('Ready in');
  await writeFile(join(copy.path, 'schema/planted.graphql'), 'type Query { a: Int }');
  // The changed file causes a restart. “Ready in” is printed a second time only after the old process has released the
  // ports and the data folder.
  await dev.printed('Ready in', 2);
  await fetch(`http://127.0.0.1:${setup.environment.GATEWAY_PORT}/health/live`);
  dev.child.kill('SIGINT');
  const { code, stderr } = await dev.exit;
  expect(code).toBe(0);
  expect(stderr).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] DEBUG: gateway: /m);
  expect(stderr).not.toMatch(/^\{/m);
});
