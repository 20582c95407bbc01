import { randomBytes, randomUUID } from 'node:crypto';
import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Database, Queryable } from '@voucher-gateway/platform/database';
import { isAnyId } from '@voucher-gateway/platform/database/rows';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { SecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { and, desc, eq, gt, isNull, or, sql } from 'drizzle-orm';
import { callbackSecret, sealedCallbackSecrets } from '../../tables.ts';
import { secretPrefix } from './signature.ts';

/** Limit of secrets that sign, so that the header stays small however often a user rotates. */
const maxSigning = 4;

/**
 * The secrets that sign a user's callbacks. Reading throws a CodedError if the current secret can't be decrypted:
 * SECRETS_KEY_WRONG for a wrong key, SECRET_UNREADABLE if the stored secret was altered. An altered secret has to be
 * replaced by `rotate`. A former secret that can't be decrypted is skipped.
 */
export interface CallbackSecrets {
  /** Returns the current secret, which is created on first use. */
  readCurrent(userId: string): Promise<string>;
  /** Returns the secrets that sign now, the current secret first. */
  readSigning(userId: string): Promise<string[]>;
  /** Creates a secret, which becomes the current one, and returns it. The previous secret still signs for some time. */
  rotate(userId: string): Promise<string>;
}

export function createCallbackSecrets({
  database,
  box,
  oldSecretSignsMs,
  log,
}: {
  database: Database;
  /** Encrypts the secrets in the database. */
  box: SecretBox;
  /** How long a replaced secret still signs, in milliseconds. */
  oldSecretSignsMs: number;
  log: Log;
}): CallbackSecrets {
  const lines = createRepeatedLines(log);
  /** Reads the rows of the secrets that sign now, the current secret first. Concurrent calls share a statement. */
  const readRows = createBatcher<string, (typeof callbackSecret.$inferSelect)[]>({
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
        // The current secret has null here, and a descending order starts with null.
        .orderBy(desc(callbackSecret.signsUntil), desc(callbackSecret.createdAt));
      const byUser = Map.groupBy(rows, ({ userId }) => userId);
      return userIds.map((userId) => (byUser.get(userId) ?? []).slice(0, maxSigning));
    },
  });
  const readSigning = async (userId: string) => {
    let rows = await readRows(userId);
    if (rows[0]?.signsUntil !== null) {
      // Of several concurrent inserts, only one succeeds, because of a unique index.
      await insert(database.query, userId).onConflictDoNothing();
      rows = await readRows(userId);
    }
    return rows.flatMap((row) => openSigning(row) ?? []);
  };
  const { purpose } = sealedCallbackSecrets;
  const open = ({ id, secret }: typeof callbackSecret.$inferSelect) => box.open(secret, { purpose, id });
  /** Decrypts a secret. Returns null for a former secret that can't be decrypted. */
  const openSigning = (row: typeof callbackSecret.$inferSelect): string | null => {
    try {
      return open(row);
    } catch (error) {
      const { id, userId, signsUntil } = row;
      const kind = isCodedError(error) ? error.code : 'other';
      lines.error(kind, { error, secretId: id, userId }, 'the secret of callbacks can not be decrypted');
      if (signsUntil !== null) return null;
      if (!isCodedError(error, 'SECRET_ALTERED')) throw error;
      const message = 'Your secret can not be read any more; create another one with rotateCallbackSecret.';
      throw new CodedError<PublicErrorCode>('SECRET_UNREADABLE', message, { cause: error });
    }
  };
  const insert = (query: Queryable, userId: string) => {
    const id = randomUUID();
    const secret = box.seal(secretPrefix + randomBytes(32).toString('base64'), { purpose, id });
    return query.insert(callbackSecret).values({ id, userId, secret, createdAt: new Date(database.now()) });
  };

  return {
    readSigning,
    async readCurrent(userId) {
      const [secret] = await readSigning(userId);
      if (secret === undefined) throw new Error('a secret was deleted after its creation');
      return secret;
    },
    rotate: (userId) =>
      database.transaction(async (tx) => {
        await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`callback-secret:${userId}`}))`);
        const now = database.now();
        await tx
          .update(callbackSecret)
          .set({ signsUntil: new Date(now + oldSecretSignsMs) })
          .where(and(eq(callbackSecret.userId, userId), isNull(callbackSecret.signsUntil)));
        // Former secrets that no longer sign are deleted. Of the former secrets that still sign, at most `maxSigning`
        // minus one are kept, because the new secret also signs.
        const former = await tx
          .select({ id: callbackSecret.id, signsUntil: callbackSecret.signsUntil })
          .from(callbackSecret)
          .where(eq(callbackSecret.userId, userId))
          .orderBy(desc(callbackSecret.signsUntil), desc(callbackSecret.createdAt));
        const ended = former.filter(
          ({ signsUntil }, index) => index >= maxSigning - 1 || (signsUntil !== null && signsUntil.getTime() <= now),
        );
        if (ended.length > 0)
          await tx.delete(callbackSecret).where(
            isAnyId(
              callbackSecret.id,
              ended.map(({ id }) => id),
            ),
          );
        const [created] = await insert(tx, userId).returning();
        if (!created) throw new Error('a secret could not be stored');
        return open(created);
      }),
  };
}
