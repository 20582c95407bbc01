import type { Database } from '@voucher-gateway/platform/database';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Topics } from '@voucher-gateway/platform/topics';
import { sessionKey } from '@voucher-gateway/schema/session';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { eq, inArray } from 'drizzle-orm';
import { requireSessionStore } from './require-session-store.ts';
import { session } from './tables.ts';

export interface SessionEngines {
  database: Database;
  topics: Pick<Topics, 'publishAll'>;
  keyValue: KeyValue;
}

/** Number of sessions that are ended in one transaction. */
const batchSize = 200;

/**
 * Ends sessions, and returns how many were active.
 * @throws CodedError SESSION_STORE_UNAVAILABLE (retryable)
 */
export async function endSessions(
  { database, topics, keyValue }: SessionEngines,
  sids: readonly string[],
): Promise<number> {
  // Sessions are deleted before their end is published. Whoever receives the message must no longer find the session in
  // the store.
  const deleted = await requireSessionStore(() => Promise.all(sids.map((sid) => keyValue.delete(sessionKey(sid)))));
  await database.transaction(async (tx) => {
    await tx.delete(session).where(inArray(session.sid, [...sids]));
    await topics.publishAll(
      tx,
      schemaTopics.sessionEnded,
      sids.map((sid) => ({ sid })),
    );
  });
  return deleted.filter(Boolean).length;
}

/** Ends every session of a user, and returns how many were active. Throws as `endSessions`. */
export async function endUserSessions(engines: SessionEngines, userId: string): Promise<number> {
  let ended = 0;
  for (;;) {
    const rows = await engines.database.query
      .select({ sid: session.sid })
      .from(session)
      .where(eq(session.userId, userId))
      .limit(batchSize);
    if (rows.length === 0) return ended;
    ended += await endSessions(
      engines,
      rows.map(({ sid }) => sid),
    );
  }
}
