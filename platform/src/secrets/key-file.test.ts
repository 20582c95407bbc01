import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openKeyFile, readKeyFile } from './key-file.ts';

async function createFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-'));
  return {
    folder,
    path: join(folder, 'secrets.key'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

describe('key file', () => {
  it('key file: is created once, and only its owner can read it', async () => {
    await using at = await createFolder();
    expect(await readKeyFile(at.folder)).toBeNull();
    const keys = await Promise.all([1, 2, 3].map(() => openKeyFile(at.folder)));
    keys.push(await openKeyFile(at.folder));
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
    expect(await readKeyFile(at.folder)).toEqual(keys[0]);
    expect((await stat(at.path)).mode & 0o777).toBe(0o600);
    expect(await readdir(at.folder)).toEqual(['secrets.key']);
  });

  it('key file: is not replaced while the database needs it', async () => {
    await using at = await createFolder();
    await expect(openKeyFile(at.folder, async () => true)).rejects.toMatchObject({
      code: 'SECRETS_KEY_WRONG',
      message: expect.stringContaining(at.path),
    });
    expect(await readdir(at.folder)).toEqual([]);
  });

  it('key file: is not replaced if it is damaged', async () => {
    await using at = await createFolder();
    await writeFile(at.path, 'nonsense');
    await expect(openKeyFile(at.folder)).rejects.toMatchObject({ code: 'SECRETS_KEY_WRONG' });
    expect(await readFile(at.path, 'utf8')).toBe('nonsense');
  });
});
