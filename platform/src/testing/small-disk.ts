import { execFile } from 'node:child_process';
import { chown, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { realEngines } from './real-engines.ts';

const run = promisify(execFile);

/**
 * A database of a real server, with its tables on a small separate disk. The log (WAL) is on the server's disk. Use it
 * with `await using`.
 */
export interface SmallDisk extends AsyncDisposable {
  readonly url: string;
  /** Fills the disk to the last byte. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

/** Whether this process may mount a disk: it must run on Linux as root. */
export const canMount = process.platform === 'linux' && process.getuid?.() === 0;

export async function createSmallDisk({ mebibytes = 32 } = {}): Promise<SmallDisk> {
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-disk-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'none', folder]);
  releases.defer(async () => void (await run('umount', [folder])));
  const { DATABASE_URL } = realEngines();
  const admin = new pg.Client({ connectionString: DATABASE_URL });
  await admin.connect();
  releases.defer(() => admin.end());
  const { rows } = await admin.query<{ data_directory: string }>('show data_directory');
  const server = await stat(rows[0]?.data_directory ?? '');
  await chown(folder, server.uid, server.gid);
  const name = `small_disk_${process.pid}_${Date.now()}`;
  await admin.query(`create tablespace ${name} location '${folder}'`);
  releases.defer(async () => void (await admin.query(`drop tablespace ${name}`)));
  await admin.query(`create database ${name} tablespace ${name}`);
  releases.defer(async () => void (await admin.query(`drop database ${name} with (force)`)));
  const filler = join(folder, 'filler');
  const free = () => rm(filler, { force: true });
  releases.defer(free);
  const url = new URL(DATABASE_URL);
  url.pathname = `/${name}`;
  const owned = releases.move();
  return {
    url: url.href,
    async fill() {
      await using file = await open(filler, 'a');
      const block = Buffer.alloc(4_096, 1);
      for (;;)
        try {
          await file.write(block);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
          throw error;
        }
    },
    free,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
