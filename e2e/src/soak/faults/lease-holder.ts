import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import pg from 'pg';
import type { SoakSystem, SystemProcess } from '../system/soak-system.ts';

/**
 * The process that relays the outbox holds an advisory lock on its database connection. This query finds the client
 * port of that connection.
 */
const holdersPort = `
  select client_port as port from platform.lease
  join pg_locks on locktype = 'advisory' and objsubid = 1
    and (classid::bigint << 32 | objid::bigint) = hashtextextended('lease:' || holder::text, 0)
  join pg_stat_activity using (pid)
  where name = 'outbox:request-code' and expires_at > now()`;

/** Finds the process that currently relays requests from the outbox to Kafka; null if there is none. */
export async function findLeaseHolder({ engines, database, processes }: SoakSystem): Promise<SystemProcess | null> {
  const client = new pg.Client({ connectionString: engines.postgres.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ port: number }>(holdersPort);
    const port = rows[0] && (await database.clientPortOf(rows[0].port));
    const socket = port && socketAt(port, Number(new URL(database.url).port));
    return processes.find(({ pid }) => socket && hasOpen(pid, socket)) ?? null;
  } finally {
    await client.end();
  }
}

/** Returns the name `socket:[<inode>]` that /proc uses for a local TCP connection with these two ports. */
function socketAt(localPort: number, remotePort: number): string | undefined {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, local, remote, , , , , , , inode] = line.trim().split(/\s+/);
    if (local?.endsWith(`:${hex(localPort)}`) && remote?.endsWith(`:${hex(remotePort)}`)) return `socket:[${inode}]`;
  }
  return undefined;
}

function hasOpen(pid: number | undefined, file: string): boolean {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).some((name) => {
    try {
      return readlinkSync(`${folder}/${name}`) === file;
    } catch {
      return false;
    }
  });
}
