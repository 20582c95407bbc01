import { constants } from 'node:fs';
import { access, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CodedError, errorCode } from '../errors.ts';

export interface DataDirectory extends AsyncDisposable {
  /** Where the database's own files lie. */
  readonly databasePath: string;
}

/**
 * Makes the folder if need be, and locks it for this process until disposed: two owners would lose
 * data silently. The lock is a file with the owner's pid and start time; one whose owner is dead is
 * taken over.
 *
 * @throws CodedError DATA_DIR_LOCKED, naming folder and pid; DATA_DIR_UNWRITABLE
 */
export async function openDataDirectory(dataDir: string): Promise<DataDirectory> {
  const folder = resolve(dataDir);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
    if (!(await stat(folder)).isDirectory()) throw new Error('it is no folder');
  } catch (error) {
    throw new CodedError(
      'DATA_DIR_UNWRITABLE',
      `DATA_DIR: ${folder} can't be written (${errorCode(error)}). Choose another folder, or change its owner.`,
      {
        cause: error,
      },
    );
  }
  const lock = join(folder, 'lock');
  await takeLock(lock, folder);
  return {
    databasePath: join(folder, 'postgres'),
    [Symbol.asyncDispose]: () => rm(lock, { force: true }),
  };
}

async function takeLock(lock: string, folder: string): Promise<void> {
  const self = `${process.pid} ${await startTime(process.pid)}\n`;
  for (;;) {
    try {
      await using file = await open(lock, 'wx');
      await file.writeFile(self);
      return;
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'EEXIST') {
        throw new CodedError(
          'DATA_DIR_UNWRITABLE',
          `DATA_DIR: ${folder} can't be written (${code}). Choose another folder, or change its owner.`,
          {
            cause: error,
          },
        );
      }
    }
    const seen = await readFile(lock, 'utf8').catch(() => '');
    const [pid = Number.NaN, started = ''] = [Number(seen.split(' ')[0]), seen.trim().split(' ')[1]];
    // An empty file is an owner between creating and writing it; a second look tells.
    if (seen === '' || (Number.isInteger(pid) && (await isAlive(pid, started)))) {
      const second = await readFile(lock, 'utf8').catch(() => '');
      if (seen !== '' || second === '') {
        throw new CodedError(
          'DATA_DIR_LOCKED',
          `DATA_DIR: ${folder} is in use by process ${seen === '' ? 'unknown' : pid}. Stop it, or set DATA_DIR to another folder.`,
          {
            details: { pid },
          },
        );
      }
      continue;
    }
    await removeStale(lock, seen);
  }
}

/** Moves the stale lock away under a name of our own; a lock that changed in between is put back. */
async function removeStale(lock: string, stale: string): Promise<void> {
  const aside = `${lock}.${process.pid}`;
  await rename(lock, aside).catch(() => {});
  const taken = await readFile(aside, 'utf8').catch(() => stale);
  if (taken !== stale) await rename(aside, lock);
  else await rm(aside, { force: true });
}

async function isAlive(pid: number, started: string): Promise<boolean> {
  if (pid === process.pid) return started === (await startTime(pid)) && started !== '';
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
  }
  // A pid is given again, in containers at each start: the start time tells the owner from a namesake.
  const now = await startTime(pid);
  return now === '' || started === '' || now === started;
}

/** The kernel's start time of a process where it tells (Linux), else an empty string. */
async function startTime(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The command's name, in brackets, may hold spaces: fields count from behind it.
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
