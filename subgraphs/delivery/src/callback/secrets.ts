import { randomBytes, randomUUID } from 'node:crypto';
import { createBatcher } from '@voucher-gateway/platform/batcher';
import type { Database, Queryable } from '@voucher-gateway/platform/database';
import { isAnyId } from '@voucher-gateway/platform/database/rows';
import { and, desc, eq, gt, isNull, lte, or, sql } from 'drizzle-orm';
import { callbackSecret } from '../tables.ts';
import { secretPrefix } from './signature.ts';

/** Secrets that sign at most, whoever rotates all day: the header must stay small enough for any receiver. */
const signingAtMost = 4;

/** The secrets that a user's callbacks are signed with. */
export interface CallbackSecrets {
  /** The current secret, made on first need. */
  current(userId: string): Promise<string>;
  /** What to sign with now, the current one first. */
  signing(userId: string): Promise<string[]>;
  /** Makes a new current secret and answers it; the one before signs along for a while. */
  rotate(userId: string): Promise<string>;
}

export function createCallbackSecrets({
  database,
  oldSecretSignsMs,
}: {
  database: Database;
  /** A replaced secret signs along for this time, in milliseconds. */
  oldSecretSignsMs: number;
}): CallbackSecrets {
  /** Those of a user that sign now, the current one first. What is asked together shares a statement. */
  const live = createBatcher<string, (typeof callbackSecret.$inferSelect)[]>({
    async run(userIds) {
      const rows = await database.query
        .select()
        .from(callbackSecret)
        .where(
          and(
            isAnyId(callbackSecret.userId, userIds),
            or(isNull(callbackSecret.signsUntil), gt(callbackSecret.signsUntil, new Date(database.now()))),
          ),
        )
        // Descending puts null first: the current one.
        .orderBy(desc(callbackSecret.signsUntil), desc(callbackSecret.createdAt));
      const byUser = Map.groupBy(rows, ({ userId }) => userId);
      return userIds.map((userId) => (byUser.get(userId) ?? []).slice(0, signingAtMost));
    },
  });
  const signing = async (userId: string) => {
    let rows = await live(userId);
    if (rows[0]?.signsUntil !== null) {
      // Of several that come here together the unique index lets one insert.
      await insert(database.query, userId).onConflictDoNothing();
      rows = await live(userId);
    }
    return rows.map((row) => row.secret);
  };
  const insert = (query: Queryable, userId: string) =>
    query.insert(callbackSecret).values({
      id: randomUUID(),
      userId,
      secret: secretPrefix + randomBytes(32).toString('base64'),
      createdAt: new Date(database.now()),
    });

  return {
    signing,
    async current(userId) {
      const [secret] = await signing(userId);
      if (secret === undefined) throw new Error('a secret that was made is not there');
      return secret;
    },
    rotate: (userId) =>
      database.transaction(async (tx) => {
        await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`callback-secret:${userId}`}))`);
        const now = database.now();
        await tx
          .delete(callbackSecret)
          .where(and(eq(callbackSecret.userId, userId), lte(callbackSecret.signsUntil, new Date(now))));
        await tx
          .update(callbackSecret)
          .set({ signsUntil: new Date(now + oldSecretSignsMs) })
          .where(and(eq(callbackSecret.userId, userId), isNull(callbackSecret.signsUntil)));
        const [made] = await insert(tx, userId).returning({ secret: callbackSecret.secret });
        if (!made) throw new Error('a secret could not be stored');
        return made.secret;
      }),
  };
}
