import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EngineMissing, type EngineProcess, freePort, isOnPath, startEngine } from './process.ts';

export interface PostgresEngine extends AsyncDisposable {
  readonly url: string;
  readonly process: EngineProcess;
}

/** The database name of the original specification. */
const databaseName = 'bank_voucher_int';

/** Starts PostgreSQL from installed binaries. */
export async function startPostgres({
  folder,
  port: preferred = 5_432,
}: {
  folder: string;
  port?: number;
}): Promise<PostgresEngine> {
  const binary = findBinaries();
  const owner = unprivileged();
  const data = ownedFolder(folder, owner);
  const port = await freePort(preferred);
  const dataDir = join(data, 'data');
  if (!existsSync(join(dataDir, 'PG_VERSION'))) {
    const { status, stderr } = spawnSync(
      binary('initdb'),
      ['-D', dataDir, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C'],
      { ...owner, cwd: data, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`initdb failed: ${stderr}`);
  }
  const adminUrl = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const engine = await startEngine({
    name: 'PostgreSQL',
    command: binary('postgres'),
    args: [
      '-D',
      dataDir,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      `unix_socket_directories=${data}`,
      '-c',
      'max_connections=200',
    ],
    ...owner,
    cwd: data,
    logFile: join(folder, 'postgres.log'),
    stopSignal: 'SIGINT',
    ready: () => query(adminUrl, 'select 1'),
  });
  const { rowCount } = await query(adminUrl, `select 1 from pg_database where datname = '${databaseName}'`);
  if (!rowCount) await query(adminUrl, `create database ${databaseName}`);
  return {
    url: `postgres://postgres@127.0.0.1:${port}/${databaseName}`,
    process: engine,
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

async function query(url: string, text: string) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

/** Finds the server's programs. On Debian, each version has a folder that is not in PATH. */
function findBinaries(): (name: string) => string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folder = versions.map((version) => join(debian, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
  if (folder) return (name) => join(folder, name);
  if (isOnPath('initdb') && isOnPath('postgres')) return (name) => name;
  throw new EngineMissing('PostgreSQL', 'apt-get install postgresql');
}

interface Owner {
  uid?: number;
  gid?: number;
}

/**
 * Returns the user that must run PostgreSQL if this process runs as root, because PostgreSQL refuses root. This is the
 * user `postgres`, or else `nobody`. If this process does not run as root, returns no user.
 */
function unprivileged(): Owner {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    const id = (flag: string) => Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout || Number.NaN);
    const [uid, gid] = [id('-u'), id('-g')];
    if (uid > 0 && gid >= 0) return { uid, gid };
  }
  return {};
}

/**
 * Returns the folder for PostgreSQL's data. If PostgreSQL runs as the current user, returns `folder`. If PostgreSQL
 * runs as another user, returns `folder/postgres`, or a temporary folder if that user can't reach `folder/postgres`.
 */
function ownedFolder(folder: string, { uid, gid }: Owner): string {
  mkdirSync(folder, { recursive: true });
  if (uid === undefined || gid === undefined) return folder;
  const name = folder.replace(/\W+/g, '-');
  for (const candidate of [join(folder, 'postgres'), join(tmpdir(), `voucher-gateway${name}`)]) {
    mkdirSync(candidate, { recursive: true });
    chownSync(candidate, uid, gid);
    const { status } = spawnSync('test', ['-x', '.', '-a', '-w', candidate], { uid, gid, cwd: '/' });
    if (status === 0 && spawnSync('test', ['-w', candidate], { uid, gid, cwd: '/' }).status === 0) return candidate;
  }
  throw new Error(`PostgreSQL can't reach ${folder} as another user than root`);
}
