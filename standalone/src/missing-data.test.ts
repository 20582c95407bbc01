import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

// Regression: if DATABASE_URL was missing or DATA_DIR was misspelt, an operator's command created a new database, and
// found nothing in it.
it.each([
  ['admin-main.ts', 'list-keys'],
  ['dead-letters-main.ts', 'list'],
])('operators’ commands: %s refuses a folder without data', async (file, command) => {
  const folder = await mkdtemp(join(tmpdir(), 'no-data-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const running = promisify(execFile)(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), command], {
    cwd: folder,
    env: { PATH: process.env.PATH },
  });
  await expect(running).rejects.toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('DATABASE_URL') });
  expect(existsSync(join(folder, '.data'))).toBe(false);
});
