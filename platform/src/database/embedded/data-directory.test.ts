import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openDataDirectory } from './data-directory.ts';

const main = fileURLToPath(new URL('../../testing/processes/data-directory-main.ts', import.meta.url));

async function makeFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'data-directory-'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/**
 * Starts a process that locks the folder. Its parent never reaps it, as in containers whose init process does not reap.
 */
async function startOwner(folder: string) {
  const parent = spawn('sh', ['-c', '"$0" "$1" "$2" & exec sleep 600', process.execPath, main, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(parent, 'exit');
  const [line] = await once(parent.stdout, 'data');
  const pid = Number(String(line));
  return {
    pid,
    kill: () => process.kill(pid, 'SIGKILL'),
    isZombie: async () => / Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8')),
    async [Symbol.asyncDispose]() {
      process.kill(pid, 'SIGKILL');
      parent.kill('SIGKILL');
      await exit;
    },
  };
}

it('data directory: rejects a folder whose owner is alive, naming it', async () => {
  await using place = await makeFolder();
  await using owner = await startOwner(place.folder);
  await expect(openDataDirectory(place.folder)).rejects.toMatchObject({
    code: 'DATA_DIR_LOCKED',
    message: expect.stringContaining(String(owner.pid)),
  });
});

it('data directory: takes over at once from an owner that was killed and not reaped', async () => {
  await using place = await makeFolder();
  await using owner = await startOwner(place.folder);
  owner.kill();
  await using directory = await openDataDirectory(place.folder);
  expect(directory.databasePath).toContain(place.folder);
  expect(await owner.isZombie()).toBe(true);
  expect(await readFile(join(place.folder, 'lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `));
});

it.each([
  ['of a process that has ended', '999999999 1\n'],
  ['of another process with the same pid', `${process.pid} 1\n`],
  ['of a parent with the same pid', `${process.ppid} 1\n`],
  ['that is empty, after a crash before the write', ''],
  ['that is damaged', 'nonsense\n'],
])('data directory: takes over a lock %s', async (_what, lock) => {
  await using place = await makeFolder();
  await writeFile(join(place.folder, 'lock'), lock);
  await using _directory = await openDataDirectory(place.folder);
  await expect(openDataDirectory(place.folder)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' });
});

it('data directory: releases the folder', async () => {
  await using place = await makeFolder();
  for (let time = 0; time < 2; time += 1) {
    await using _directory = await openDataDirectory(place.folder);
  }
});
