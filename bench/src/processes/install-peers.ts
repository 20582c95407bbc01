import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the peers: a separate project, because they need another version of graphql. */
export const peersFolder = fileURLToPath(new URL('../../peers', import.meta.url));

/** Installs the peers from their lockfile, unless they are installed already. */
export async function installPeers(): Promise<void> {
  const changedAt = (file: string) => statSync(join(peersFolder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (changedAt('node_modules/.package-lock.json') > changedAt('package-lock.json')) return;
  console.log(`Installing the peers in ${peersFolder}: about a minute, 550 MB…`);
  const child = spawn('npm', ['ci', '--prefix', peersFolder], {
    cwd: peersFolder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error('the peers could not be installed; BENCH_PEERS= leaves them out');
}

/** Returns the version of a package in the peers' folder. */
export function versionOf(name: string): string {
  return JSON.parse(readFileSync(join(peersFolder, 'node_modules', name, 'package.json'), 'utf8')).version;
}
