import { constants } from 'node:fs';
import { access, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError, errorCode } from '../../errors.ts';
import { type OwnerState, readOwnerState, thisProcess } from './lock-owner.ts';

export interface DataDirectory extends AsyncDisposable {
  readonly databasePath: string;
}

const databaseFolder = 'postgres';

/**
 * Creates the folder if needed, and locks it for this process until disposed. Two processes that use the folder would
 * silently lose data. The lock file contains the pid and the start time of its owner. The lock of a dead owner is taken
 * over immediately, even after `kill -9`.
 *
 * @throws CodedError DATA_DIR_LOCKED, naming folder and pid; DATA_DIR_UNWRITABLE
 */
export async function openDataDirectory(dataDir: string): Promise<DataDirectory> {
  const folder = resolve(dataDir);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
    if (!(await stat(folder)).isDirectory()) throw new Error('it is not a folder');
  } catch (error) {
    throw unwritable(folder, error);
  }
  const lock = join(folder, 'lock');
  await takeLock(lock, folder);
  return {
    databasePath: join(folder, databaseFolder),
    [Symbol.asyncDispose]: () => rm(lock, { force: true }),
  };
}

/**
 * Throws if the folder has no database. Without this check, an operator's command with a wrong path would create an
 * empty database and report no problem.
 *
 * @throws CodedError CONFIG_INVALID, naming the settings that may be missing
 */
export async function requireData(dataDir: string): Promise<void> {
  const folder = resolve(dataDir);
  try {
    await stat(join(folder, databaseFolder));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw unwritable(folder, error);
    throw new CodedError(
      'CONFIG_INVALID',
      `DATA_DIR: ${folder} has no data of npm start. Set DATA_DIR to its folder; or, for services with their own processes, set DATABASE_URL and their other settings.`,
    );
  }
}

/** Time limit for a killed owner to exit. */
const settledWithinMs = 10_000;
/** Time limit for a new owner to write into its lock file. */
const emptyWithinMs = 1_000;

async function takeLock(lock: string, folder: string): Promise<void> {
  const { pid, started } = await thisProcess();
  const startedAtMs = performance.now();
  for (;;) {
    try {
      await using file = await open(lock, 'wx');
      await file.writeFile(`${pid} ${started}\n`);
      return;
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'EEXIST') throw unwritable(folder, error);
    }
    const seen = await readFile(lock, 'utf8').catch(() => '');
    const waitedMs = performance.now() - startedAtMs;
    switch (await readLockState(seen)) {
      case 'dead':
        await removeStale(lock, seen);
        break;
      case 'empty':
        if (waitedMs > emptyWithinMs) await removeStale(lock, seen);
        else await sleep(20);
        break;
      case 'dying':
        if (waitedMs > settledWithinMs) throw locked(folder, seen);
        await sleep(20);
        break;
      case 'alive':
        throw locked(folder, seen);
    }
  }
}

/**
 * Parses the text of a lock file, and reads the state of the process that owns the file. `empty` means that the owner
 * has created the file but not yet written to it, or crashed before it could.
 */
async function readLockState(text: string): Promise<OwnerState | 'empty'> {
  const [pid = '', started = ''] = text.trim().split(' ');
  if (pid === '') return 'empty';
  return /^\d+$/.test(pid) ? readOwnerState({ pid: Number(pid), started }) : 'dead';
}

function locked(folder: string, lock: string): CodedError {
  const pid = Number(lock.split(' ')[0]);
  return new CodedError(
    'DATA_DIR_LOCKED',
    `DATA_DIR: ${folder} is in use by process ${pid}. Stop it, or set DATA_DIR to another folder.`,
    { details: { pid } },
  );
}

function unwritable(folder: string, cause: unknown): CodedError {
  return new CodedError(
    'DATA_DIR_UNWRITABLE',
    `DATA_DIR: ${folder} can't be written (${errorCode(cause)}). Choose another folder, or change its owner.`,
    { cause },
  );
}

/**
 * Deletes a stale lock file. The file is first renamed and read again. If the renamed file is the new lock file of
 * another process, it is renamed back.
 */
async function removeStale(lock: string, stale: string): Promise<void> {
  const aside = `${lock}.${process.pid}`;
  await rename(lock, aside).catch(() => {});
  const taken = await readFile(aside, 'utf8').catch(() => stale);
  if (taken !== stale) await rename(aside, lock);
  else await rm(aside, { force: true });
}
