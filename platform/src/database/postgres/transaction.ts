import { NodePgSession, NodePgTransaction } from 'drizzle-orm/node-postgres';
import { PgDialect } from 'drizzle-orm/pg-core';
import type { Transaction } from '../../database.ts';
import { CodedError, codedCause } from '../../errors.ts';
import { isAnswerLost, type OutageClient, type OutagePool } from './client.ts';

const rollBackWithinMs = 2_000;
const dialect = new PgDialect();

/**
 * Runs work in one transaction on a connection of the pool. drizzle's own function leaks the connection when BEGIN or
 * ROLLBACK fails. Here a connection returns to the pool only if it is known to be outside a transaction. Otherwise it
 * is closed.
 *
 * @throws CodedError DATABASE_UNAVAILABLE (retryable) if the transaction was rolled back; COMMIT_UNKNOWN (retryable) if
 *   it is unknown whether it was committed
 */
export async function runTransaction<T>(pool: OutagePool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const client = (await pool.connect()) as unknown as OutageClient & { release(destroy: boolean): void };
  let isClean = false;
  try {
    await client.query('begin');
    const session = new NodePgSession(client, dialect, undefined);
    const result = await work(new NodePgTransaction(dialect, session, undefined) as unknown as Transaction);
    await commit(client);
    isClean = true;
    return result;
  } catch (error) {
    isClean = await rollBack(client);
    throw codedCause(error) ?? error;
  } finally {
    client.release(!isClean);
  }
}

async function commit(client: OutageClient): Promise<void> {
  if (client.isBroken)
    throw new CodedError('DATABASE_UNAVAILABLE', 'The database does not answer.', { retryable: true });
  let command: string;
  try {
    ({ command } = await client.query('commit'));
  } catch (error) {
    const cause = (error as Error).cause ?? error;
    if (!isAnswerLost(cause)) throw error;
    throw new CodedError('COMMIT_UNKNOWN', 'The database did not answer whether it has stored it.', {
      cause,
      retryable: true,
    });
  }
  // PostgreSQL answers COMMIT with ROLLBACK if a statement failed and the caller caught the error.
  if (command === 'ROLLBACK') throw new Error('a statement of the transaction failed, so that it was rolled back');
}

/** Rolls back. Resolves with true if the connection is certainly outside a transaction. */
async function rollBack(client: OutageClient): Promise<boolean> {
  if (client.isBroken) return false;
  try {
    await client.queryWithin(rollBackWithinMs, 'rollback');
    return true;
  } catch {
    return false;
  }
}
