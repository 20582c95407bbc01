import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The output of `npm run lint` for a file with this import at this path. */
function lint(path: string, specifier: string) {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `import * as planted from '${specifier}';\n\nexport const held = planted;\n`);
  try {
    const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/biome'), ['check', file], { cwd: root });
    return { failed: status !== 0, output: `${stdout}${stderr}` };
  } finally {
    rmSync(file);
  }
}

// Imports may only go down the list of workspaces.
it.each([
  ['platform/src/planted.ts', '@voucher-gateway/schema/topics'],
  ['platform/src/planted.ts', '../../gateway/src/server.ts'],
  ['schema/src/planted.ts', '@voucher-gateway/platform/errors'],
  ['vps-mock/src/planted.ts', '@voucher-gateway/schema/vps-protocol'],
  ['voucher-integration/src/planted.ts', '@voucher-gateway/vps-mock/server'],
  ['subgraphs/user/src/planted.ts', '@voucher-gateway/subgraph-voucher/server'],
  ['subgraphs/voucher/src/planted.ts', '@voucher-gateway/subgraph-delivery/server'],
  ['subgraphs/delivery/src/planted.ts', '@voucher-gateway/voucher-integration/server'],
  ['gateway/src/planted.ts', '@voucher-gateway/subgraph-user/server'],
  ['standalone/src/planted.ts', '@voucher-gateway/e2e/customer'],
  ['e2e/src/planted.ts', '@voucher-gateway/gateway/server'],
  ['gateway/src/planted.ts', '@voucher-gateway/examples/graphql-ws'],
  ['examples/src/planted.ts', '@voucher-gateway/platform/errors'],
])('imports: %s may not import %s', (path, specifier) => {
  const { failed, output } = lint(path, specifier);
  expect(output).toContain('noRestrictedImports');
  expect(failed).toBe(true);
});

it.each([
  ['gateway/src/planted.ts', '@voucher-gateway/platform/errors'],
  ['subgraphs/user/src/planted.ts', '@voucher-gateway/schema/topics'],
  ['standalone/src/planted.ts', '@voucher-gateway/gateway/server'],
])('imports: %s may import %s', (path, specifier) => {
  expect(lint(path, specifier)).toMatchObject({ failed: false });
});
