import { mkdtempDisposable, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigningKey } from '@voucher-gateway/platform/identity/create-signing-key';
import { openTestDatabase } from '@voucher-gateway/platform/testing/database';
import { signingKey } from '@voucher-gateway/subgraph-user/tables';
import { describe, expect, it } from 'vitest';
import { openEmbeddedSecrets } from './embedded-secrets.ts';

describe('secrets of npm start', () => {
  it('secrets: have a key in DATA_DIR, which is not replaced if it is lost', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'voucher-gateway-'));
    await using other = await mkdtempDisposable(join(tmpdir(), 'voucher-gateway-'));
    await using database = await openTestDatabase();
    const open = (DATA_DIR: string, SECRETS_KEY?: [Buffer]) => openEmbeddedSecrets({ DATA_DIR, SECRETS_KEY }, database);
    const box = await open(folder.path);
    expect(await readdir(folder.path)).toEqual(['secrets.key']);
    const key = await createSigningKey({ table: signingKey, secrets: box, nowMs: database.now() });
    await database.query.insert(signingKey).values(key);
    expect((await open(folder.path)).prefix).toBe(box.prefix);
    await expect(open(other.path)).rejects.toMatchObject({
      code: 'SECRETS_KEY_WRONG',
      message: expect.stringContaining(join(other.path, 'secrets.key')),
    });
    expect(await readdir(other.path)).toEqual([]);
    // New secrets are encrypted with SECRETS_KEY. Secrets that were encrypted with the file's key can still be read.
    const set = await open(folder.path, [Buffer.alloc(32, 3)]);
    expect(set.prefix).not.toBe(box.prefix);
    expect(set.prefixes).toContain(box.prefix);
  });
});
