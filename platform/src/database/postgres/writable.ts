import { setTimeout as sleep } from 'node:timers/promises';
import { withoutPassword } from '../../process/config.ts';
import type { Log } from '../../process/log.ts';
import { connectionConfig, OutageClient } from './client.ts';

const askEveryMs = 1_000;
const queryTimeoutMs = 5_000;

/**
 * Waits until the database is writable. During a failover the database is read-only. Without the wait, a service would
 * fail at its start, and its supervisor would restart it over and over. If the first check gets no answer, the wait
 * ends; the caller then opens the database and reports the error.
 */
export async function untilWritable(url: string, log: Log): Promise<void> {
  let isReported = false;
  for (;;) {
    try {
      if (!(await isReadOnly(url))) break;
    } catch {
      if (!isReported) return;
    }
    if (!isReported) {
      const database = withoutPassword(url);
      log.warn({ database }, 'DATABASE_URL: the database is read-only; the service starts once it is writable');
    }
    isReported = true;
    await sleep(askEveryMs);
  }
  if (isReported) log.info({}, 'the database is writable again: the service starts');
}

/**
 * Each check opens a new connection, because an open connection may keep the read-only state with which it was opened.
 */
async function isReadOnly(url: string): Promise<boolean> {
  const client = new OutageClient(connectionConfig(url, { queryTimeoutMs }));
  try {
    await client.connect();
    const { rows } = await client.query<{ transaction_read_only: string }>('show transaction_read_only');
    return rows[0]?.transaction_read_only === 'on';
  } finally {
    client.destroy();
  }
}
