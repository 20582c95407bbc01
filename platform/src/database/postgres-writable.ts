import { setTimeout as sleep } from 'node:timers/promises';
import { withoutPassword } from '../config.ts';
import type { Log } from '../log.ts';
import { connectionConfig, OutageClient } from './postgres-client.ts';

const askEveryMs = 1_000;
const queryTimeoutMs = 5_000;

/**
 * Resolves once the database takes changes: a service that started on one that is read-only, as in a failover, would
 * fail, and be started again and again. One that does not answer in the first place is for who opens it to report.
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
      log.warn({ database }, 'DATABASE_URL: the database takes no changes; the service starts once it does');
    }
    isReported = true;
    await sleep(askEveryMs);
  }
  if (isReported) log.info({}, 'the database takes changes again: the service starts');
}

/** On a connection of its own each time: an open one keeps what was set when it was made. */
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
