import { and, eq, getTableColumns, notInArray, sql } from 'drizzle-orm';
import type { Clock } from '../async/clock.ts';
import { pause } from '../async/pause.ts';
import { startRecurring } from '../async/recurring.ts';
import type { Database, Transaction } from '../database.ts';
import type { Log } from '../process/log.ts';
import { prefixOf, type SealedColumn } from './sealed-columns.ts';
import type { SecretBox } from './secret-box.ts';

export interface SealSecretsOptions {
  database: Database;
  clock: Clock;
  log: Log;
  box: SecretBox;
  columns: readonly SealedColumn[];
}

const everyMs = 600_000;
const atOnce = 200;
/** Pause between two batches, to give requests priority. */
const pauseMs = 50;
/** Limit of secrets per run that can't be decrypted. At the limit, the run ends. */
const maxFailed = 1_000;

/**
 * Every 10 minutes, encrypts secrets that an earlier version stored in plain text, or that an older key encrypted. It
 * does so in small batches. The first run follows 10 minutes after the start, because during an upgrade the previous
 * version still reads the secrets. Concurrent processes skip each other's locked rows.
 */
export function startSealing({ database, clock, log, box, columns }: SealSecretsOptions): AsyncDisposable {
  // A SecretBox without keys encrypts nothing.
  if (box.prefixes.length === 0) return { [Symbol.asyncDispose]: async () => {} };
  const sealColumn = async (sealed: SealedColumn, signal: AbortSignal) => {
    const { purpose } = sealed;
    const failed: string[] = [];
    let count = 0;
    while (!signal.aborted && failed.length < maxFailed) {
      const batch = await database.transaction((tx) => sealBatch(tx, { sealed, box, failed }));
      count += batch.sealed;
      if (batch.read < atOnce) break;
      await pause(pauseMs, signal);
    }
    if (count > 0) log.info({ count, purpose }, 'secrets were encrypted with the first key of SECRETS_KEY');
    if (failed.length > 0)
      log.error({ count: failed.length, id: failed[0], purpose }, 'secrets can not be decrypted: they were altered');
  };
  return startRecurring({
    clock,
    everyMs,
    async work(signal) {
      for (const sealed of columns) await sealColumn(sealed, signal);
    },
    onFailure: (error) => log.warn({ error }, 'secrets could not be encrypted; the next run retries'),
  });
}

/**
 * Encrypts some rows with the current key. Secrets of an older key are decrypted first. The ids of those that can't be
 * decrypted are added to `failed`.
 */
async function sealBatch(
  tx: Transaction,
  { sealed, box, failed }: { sealed: SealedColumn; box: SecretBox; failed: string[] },
): Promise<{ read: number; sealed: number }> {
  const { table, id, column, purpose } = sealed;
  const prefix = prefixOf(sealed);
  const [key = ''] = Object.entries(getTableColumns(table)).find(([, each]) => each === column) ?? [];
  const rows = await tx
    .select({ id: sql<string>`${id}::text`, value: column })
    .from(table)
    .where(
      and(
        // The condition is written with < and >, because PostgreSQL does not use an index for <>.
        sql`(${prefix} < ${box.prefix} or ${prefix} > ${box.prefix})`,
        failed.length > 0 ? notInArray(sql`${id}::text`, failed) : undefined,
      ),
    )
    .limit(atOnce)
    .for('update', { skipLocked: true });
  let count = 0;
  for (const row of rows) {
    const text = openText(box, row.value, { purpose, id: row.id });
    if (text === null) {
      failed.push(row.id);
      continue;
    }
    await tx
      .update(table)
      .set({ [key]: box.seal(text, { purpose, id: row.id }) })
      .where(eq(id, row.id));
    count += 1;
  }
  return { read: rows.length, sealed: count };
}

function openText(box: SecretBox, value: unknown, use: { purpose: string; id: string }): string | null {
  try {
    return box.open(typeof value === 'string' ? value : JSON.stringify(value), use);
  } catch {
    return null;
  }
}
