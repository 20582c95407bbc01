import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findImportFaults, levels } from './import-law.ts';

const nameOf = (folder: string) => `@planted/${folder.replace('subgraphs/', 'subgraph-')}`;

interface Planted {
  /** Texts of files, by path. */
  files?: Record<string, string>;
  /** Fields of a package.json, by workspace. */
  manifests?: Record<string, object>;
}

/** Creates a repository with all workspaces and the given files, and finds its faults. */
async function findFaults({ files = {}, manifests = {} }: Planted): Promise<string[]> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'voucher-gateway-imports-'));
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), text);
  };
  await write('package.json', JSON.stringify({ name: 'planted', devDependencies: { vitest: '*' } }));
  for (const workspace of levels.flat())
    await write(`${workspace}/package.json`, JSON.stringify({ name: nameOf(workspace), ...manifests[workspace] }));
  for (const [path, text] of Object.entries(files)) await write(path, text);
  return await findImportFaults(folder.path);
}

it('imports: this repository has no faults', async () => {
  expect(await findImportFaults(fileURLToPath(new URL('../..', import.meta.url)))).toEqual([]);
});

describe('imports between workspaces', () => {
  it.each([
    ['platform', 'schema'],
    ['schema', 'platform'],
    ['examples', 'platform'],
    ['vps-mock', 'gateway'],
    ['subgraphs/user', 'subgraphs/voucher'],
    ['subgraphs/delivery', 'voucher-integration'],
    ['gateway', 'subgraphs/user'],
    ['standalone', 'e2e'],
    ['e2e', 'bench'],
  ])('%s may not import %s, whatever it declares', async (from, to) => {
    const file = `${from}/src/planted.ts`;
    const faults = await findFaults({
      files: { [file]: `import type { Planted } from '${nameOf(to)}/planted';\n` },
      manifests: { [from]: { dependencies: { [nameOf(to)]: '*' } } },
    });
    expect(faults).toEqual([`${file} imports ${nameOf(to)}/planted, whose workspace is not below its own`]);
  });

  it('may point to lower levels that are declared', async () => {
    const files = { 'gateway/src/planted.ts': `import { planted } from '${nameOf('platform')}/planted';\n` };
    const manifests = { gateway: { dependencies: { [nameOf('platform')]: '*' } } };
    expect(await findFaults({ files, manifests })).toEqual([]);
    expect(await findFaults({ files })).toEqual([
      'gateway/src/planted.ts imports @planted/platform, which its package.json does not declare',
    ]);
  });

  it('may not use relative paths', async () => {
    const files = { 'gateway/src/planted.ts': "export { planted } from '../../platform/src/planted.ts';\n" };
    expect(await findFaults({ files })).toEqual([
      'gateway/src/planted.ts imports ../../platform/src/planted.ts, outside of its workspace',
    ]);
  });
});

describe('imports of packages', () => {
  // Regression: a package that the gateway imports was a devDependency, so that no production install started.
  it('have to be in dependencies if they run in production', async () => {
    const files = { 'gateway/src/planted.ts': "import {\n  createClient,\n} from 'graphql-sse/client';\n" };
    const manifests = { gateway: { devDependencies: { 'graphql-sse': '*' } } };
    expect(await findFaults({ files, manifests })).toEqual([
      'gateway/src/planted.ts imports graphql-sse, which its package.json declares for development only',
    ]);
  });

  it.each([
    ['a test', 'gateway/src/planted.test.ts', "import { createClient } from 'graphql-sse';\n"],
    ['a type', 'gateway/src/planted.ts', "import type { Client } from 'graphql-sse';\n"],
  ])('may be in devDependencies for %s', async (_, file, text) => {
    const manifests = { gateway: { devDependencies: { 'graphql-sse': '*' } } };
    expect(await findFaults({ files: { [file]: text }, manifests })).toEqual([]);
  });

  it('may be in the root package for tests only', async () => {
    const text = "import { it } from 'vitest';\n";
    expect(await findFaults({ files: { 'gateway/src/planted.test.ts': text } })).toEqual([]);
    expect(await findFaults({ files: { 'gateway/src/planted.ts': text } })).toEqual([
      'gateway/src/planted.ts imports vitest, which its package.json does not declare',
    ]);
  });

  it('are found in dynamic imports, too', async () => {
    const files = { 'gateway/src/planted.ts': `export const load = () => ${'import'}('graphql-sse');\n` };
    expect(await findFaults({ files })).toEqual([
      'gateway/src/planted.ts imports graphql-sse, which its package.json does not declare',
    ]);
  });

  it('may not be missing for what is declared', async () => {
    expect(await findFaults({ manifests: { gateway: { dependencies: { 'graphql-sse': '*' } } } })).toEqual([
      'gateway/package.json declares graphql-sse, which nothing imports',
    ]);
  });
});

describe('imports within a workspace', () => {
  it('may not be circles of files', async () => {
    const files = {
      'gateway/src/room/a.ts': "import type { B } from './b.ts';\n",
      'gateway/src/room/b.ts': "import type { A } from './a.ts';\n",
    };
    expect(await findFaults({ files })).toEqual([
      'gateway/src/room/a.ts → gateway/src/room/b.ts → gateway/src/room/a.ts is a circle of imports',
    ]);
  });

  // Regression: the workspaces that run only in development were not checked, and `web` had a circle.
  it.each(['gateway', 'web', 'e2e'])('may not be circles of folders: %s', async (workspace) => {
    const files = {
      [`${workspace}/src/one/a.ts`]: "import { b } from '../two/b.ts';\n",
      [`${workspace}/src/two/b.ts`]: 'export const b = 1;\n',
      [`${workspace}/src/two/c.ts`]: "import { d } from '../one/d.ts';\n",
      [`${workspace}/src/one/d.ts`]: 'export const d = 1;\n',
    };
    expect(await findFaults({ files })).toEqual([
      `${workspace}/src/one → ${workspace}/src/two → ${workspace}/src/one is a circle of imports`,
    ]);
  });
});
