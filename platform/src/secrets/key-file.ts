import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CodedError, errorCode } from '../errors.ts';
import { createKeyText, parseKey } from './secret-box.ts';

const name = 'secrets.key';

/**
 * Reads the key of a folder, or creates it as a file that only its owner can read.
 *
 * @param isNeeded whether the database has secrets that were encrypted with this folder's key. If it has, no new key is
 *   created in place of a missing key. Default: false
 * @throws CodedError SECRETS_KEY_WRONG if a needed file is missing, or if the file contains no key
 */
export async function openKeyFile(
  folder: string,
  isNeeded: () => Promise<boolean> = async () => false,
): Promise<Buffer> {
  const path = pathIn(folder);
  const stored = await readKey(path);
  if (stored !== null) return stored;
  if (await isNeeded())
    throw new CodedError(
      'SECRETS_KEY_WRONG',
      `${path} is missing, and the secrets of the database are encrypted with its key. Restore it, or set SECRETS_KEY.`,
    );
  await createKeyFile(path);
  const created = await readKey(path);
  if (created === null) throw new Error(`${path} was removed`);
  return created;
}

/**
 * Reads the key of a folder; null if the folder has no key file. Throws SECRETS_KEY_WRONG if the file contains no key.
 */
export function readKeyFile(folder: string): Promise<Buffer | null> {
  return readKey(pathIn(folder));
}

function pathIn(folder: string): string {
  return resolve(join(folder, name));
}

async function readKey(path: string): Promise<Buffer | null> {
  try {
    const key = parseKey(await readFile(path, 'utf8'));
    if (key) return key;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  throw new CodedError(
    'SECRETS_KEY_WRONG',
    `${path} is not a key of 32 bytes as base64. Restore it, or set SECRETS_KEY.`,
  );
}

/** Creates the file atomically and syncs it to the disk, unless another process has created the file. */
async function createKeyFile(path: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${createKeyText()}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}
