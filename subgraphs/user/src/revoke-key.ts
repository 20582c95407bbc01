import type { Database } from '@voucher-gateway/platform/database';
import { createSigningKey } from '@voucher-gateway/platform/identity/create-signing-key';
import type { SecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, isNull, lte, ne } from 'drizzle-orm';
import { signingKey } from './tables.ts';

/**
 * Revokes a signing key: every process is notified, and then rejects the tokens that the key signed. If no other key
 * signs, a new key is created. Returns false if there is no such key.
 */
export async function revokeKey(
  { database, topics, secrets }: { database: Database; topics: Pick<Topics, 'publish'>; secrets: SecretBox },
  kid: string,
): Promise<boolean> {
  const successor = await createSigningKey({ table: signingKey, secrets, nowMs: database.now() });
  return database.transaction(async (tx) => {
    const removed = await tx.delete(signingKey).where(eq(signingKey.kid, kid)).returning({ kid: signingKey.kid });
    if (removed.length === 0) return false;
    // The next key may already be published, but it does not sign before `signsFrom`. Only a key that already signs can
    // replace the revoked key.
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
