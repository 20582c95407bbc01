import { sql } from 'drizzle-orm';
import type { Database } from '../database.ts';

/** Counts the scans of a schema's indexes while `work` runs. The result has only the indexes that were scanned. */
export async function indexScans(database: Database, schema: string, work: () => Promise<unknown>) {
  const read = async () => {
    await database.query.execute(sql`select pg_stat_force_next_flush()`);
    const { rows } = await database.query.execute<{ name: string; scans: number }>(
      sql`select indexrelname as name, idx_scan::int as scans from pg_stat_user_indexes where schemaname = ${schema}`,
    );
    return new Map(rows.map(({ name, scans }) => [name, scans]));
  };
  const before = await read();
  await work();
  const after = await read();
  return [...after].filter(([name, scans]) => scans > (before.get(name) ?? 0)).map(([name]) => name);
}
