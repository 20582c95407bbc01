import type { Database } from '@voucher-gateway/platform/database';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, isNull, lte, ne } from 'drizzle-orm';
import { createKey } from './create-key.ts';
import { signingKey } from './tables.ts';

/**
 * Withdraws a signing key: every process is told, and refuses its tokens from then on. Another key signs; one is created
 * where there is none. False, and no change, when there is no such key.
 */
export async function revokeKey(
  { database, topics }: { database: Database; topics: Pick<Topics, 'publish'> },
  kid: string,
): Promise<boolean> {
  const successor = await createKey(database.now());
  return database.transaction(async (tx) => {
    const removed = await tx.delete(signingKey).where(eq(signingKey.kid, kid)).returning({ kid: signingKey.kid });
    if (removed.length === 0) return false;
    // One that is to sign later stays as it is; another must sign now.
    const signing = await tx
      .select({ kid: signingKey.kid })
      .from(signingKey)
      .where(
        and(
          isNull(signingKey.publishedUntil),
          ne(signingKey.kid, kid),
          lte(signingKey.signsFrom, new Date(database.now())),
        ),
      );
    if (signing.length === 0) await tx.insert(signingKey).values(successor);
    await topics.publish(tx, schemaTopics.sessionEnded, { kid });
    return true;
  });
}
