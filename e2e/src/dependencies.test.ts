import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

// Regression: a package that the gateway imports was a devDependency, so no production install started.

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs knip, as `npm run check` does, on a workspace `gateway` with these files. */
async function checkDependencies(files: Record<string, string>, declared: object, options: string[] = []) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'voucher-gateway-knip-'));
  const write = async (path: string, text: string) => {
    const file = join(folder.path, path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, text);
  };
  await write('package.json', JSON.stringify({ name: 'planted', type: 'module', workspaces: ['gateway'] }));
  const exported = { name: '@planted/gateway', type: 'module', exports: { './*': './src/*.ts' } };
  await write('gateway/package.json', JSON.stringify({ ...exported, ...declared }));
  for (const [path, text] of Object.entries(files)) await write(`gateway/src/${path}`, text);
  await copyFile(join(root, 'knip.js'), join(folder.path, 'knip.js'));
  const knip = spawnSync(join(root, 'node_modules/.bin/knip'), options, { cwd: folder.path, encoding: 'utf8' });
  return { code: knip.status, report: knip.stdout + knip.stderr };
}

const importsSse = { 'server.ts': "export { createClient } from 'graphql-sse';\n" };
const sse = { 'graphql-sse': '^2.6.1' };
const production = ['--production', '--strict'];

it.each([
  ['one that is not declared', importsSse, {}, [], 'Unlisted'],
  ['one that is declared for development only', importsSse, { devDependencies: sse }, production, 'Unlisted'],
  ['one that nothing imports', { 'server.ts': 'export {};\n' }, { dependencies: sse }, [], 'Unused'],
])('dependencies: the check rejects %s', async (_, files, declared, options, reason) => {
  const { code, report } = await checkDependencies(files, declared, options);
  expect(report).toMatch(new RegExp(`${reason} dependencies`));
  expect(report).toContain('graphql-sse');
  expect(code).toBe(1);
});

it.each([
  ['every install', []],
  ['a production install', production],
])('dependencies: the check accepts one that is declared, for %s', async (_, options) => {
  expect(await checkDependencies(importsSse, { dependencies: sse }, options)).toMatchObject({ code: 0 });
});
