import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { isAnyId, rowsOf } from '@voucher-gateway/platform/database/rows';
import type { Jobs } from '@voucher-gateway/platform/jobs';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { RequestCode } from '@voucher-gateway/schema/topics';
import { and, eq, sql } from 'drizzle-orm';
import type { InterimAnswer } from './interim-answers.ts';
import { createRequestChanges, type PendingRequest } from './request-changes.ts';
import { fromRow } from './request-row.ts';
import { type HeldCallback, maxHeld, type ProviderCode, type ProviderFailure, type ProviderRequest } from './state.ts';
import { providerRequest as table } from './tables.ts';

/**
 * Stores the requests to the provider. A request changes only if its status is still the expected one. The change and
 * the messages about the change are in one transaction. A WAITING request that has been sent has exactly one job that
 * retries it. The job is deleted when the request ends.
 */
export interface Store {
  /**
   * Returns the request's row. A missing row is created as WAITING. The outcome of a request that has ended is
   * published again. Concurrent calls share a statement.
   */
  open(message: RequestCode): Promise<ProviderRequest>;
  read(requestId: string): Promise<ProviderRequest | null>;
  /**
   * Returns at most two requests with this challenge. Two are enough to detect that the provider has used a challenge
   * twice.
   */
  findByChallenge(codeChallenge: string): Promise<ProviderRequest[]>;
  /**
   * Changes a request from WAITING to SETTLED, and publishes its outcome. Resolves with false if the request is no
   * longer WAITING.
   */
  settle(tx: Transaction, request: PendingRequest, code: ProviderCode): Promise<boolean>;
  /** Like `settle`, in a transaction that concurrent calls share. */
  settleInBatch(request: PendingRequest, code: ProviderCode): Promise<boolean>;
  /**
   * Changes a request from WAITING to FAILED, and publishes its outcome. Resolves with false if the request is no
   * longer WAITING. The code of the first held callback becomes the unclaimed code. The provider got a 202 for this
   * callback, and will not send the code again.
   */
  fail(tx: Transaction, requestId: string, failure: ProviderFailure): Promise<boolean>;
  /**
   * Stores an answer and the job that retries. If the answer is a challenge, the held callbacks are checked against it
   * and then dropped. The first callback that verifies settles the request. Does nothing if the request is no longer
   * WAITING.
   */
  storeAnswer(tx: Transaction, interim: InterimAnswer): Promise<void>;
  /** Like `storeAnswer`, in a transaction that concurrent calls share. */
  storeAnswerInBatch(interim: InterimAnswer): Promise<void>;
  /**
   * Stores a callback that can not be verified yet, because its request has no challenge. `full` means that `maxHeld`
   * callbacks are already stored. `changed` means that the request now has a challenge or has ended. The callback then
   * has to be classified again.
   */
  hold(tx: Transaction, requestId: string, callback: HeldCallback): Promise<'held' | 'full' | 'changed'>;
  /**
   * Keeps the first code that arrives for a FAILED request as unclaimed. Resolves with `duplicate` if the same code is
   * already kept, and with `conflict` if another code is already kept.
   */
  keepUnclaimed(tx: Transaction, requestId: string, code: ProviderCode): Promise<'kept' | 'duplicate' | 'conflict'>;
}

export interface StoreOptions {
  database: Database;
  topics: Topics;
  jobs: Jobs;
  /** Called for each request that failed although its code was bought. */
  onUnclaimed?(requestId: string): void;
}

export function createStore({ database, topics, jobs, onUnclaimed = () => {} }: StoreOptions): Store {
  const waiting = (requestId: string) => and(eq(table.requestId, requestId), eq(table.status, 'WAITING'));
  const changes = createRequestChanges({ topics, jobs });
  const { publish, cancelJobs, lockRows, settleAll, storeAnswers } = changes;

  const open = createBatcher<RequestCode, ProviderRequest>({
    async run(messages) {
      const rows = messages.map(({ requestId, userId, phoneNumber, requestedAt }) => ({
        requestId,
        userId,
        phoneNumber,
        requestedAt: new Date(requestedAt),
        status: 'WAITING' as const,
        challenges: [],
        held: [],
        attempts: 0,
      }));
      const inserted = await database.query
        .insert(table)
        .select(
          rowsOf(
            table,
            rows.toSorted((one, other) => (one.requestId < other.requestId ? -1 : 1)),
          ),
        )
        .onConflictDoNothing()
        .returning();
      const requests = new Map(inserted.map((row) => [row.requestId, fromRow(row)]));
      const existing = rows.map(({ requestId }) => requestId).filter((requestId) => !requests.has(requestId));
      if (existing.length > 0)
        await database.transaction(async (tx) => {
          const found = await tx.select().from(table).where(isAnyId(table.requestId, existing));
          for (const row of found) requests.set(row.requestId, fromRow(row));
          await publish(tx, found.map(fromRow), { headers: { repeat: 'true' } });
        });
      return messages.map(({ requestId }) => {
        const request = requests.get(requestId);
        if (!request) throw new Error('the row has been deleted');
        return request;
      });
    },
  });

  const settleInBatch = createBatcher({
    run: (batch: readonly { request: PendingRequest; code: ProviderCode }[]) =>
      database.transaction((tx) => settleAll(tx, batch)),
  });

  const storeAnswerInBatch = createBatcher<InterimAnswer, void>({
    run: (batch) =>
      database.transaction(async (tx) => {
        await storeAnswers(tx, batch);
        return [];
      }),
  });
  const read = createBatcher<string, ProviderRequest | null>({
    async run(requestIds) {
      const rows = await database.query.select().from(table).where(isAnyId(table.requestId, requestIds));
      const byId = new Map(rows.map((row) => [row.requestId, row]));
      return requestIds.map((requestId) => {
        const row = byId.get(requestId.toLowerCase());
        return row ? fromRow(row) : null;
      });
    },
  });

  const store: Store = {
    open,
    read,
    async findByChallenge(codeChallenge) {
      // The subquery is materialized, so that PostgreSQL's planner uses the partial index. With the limit in the
      // same query, the planner would prefer a table scan.
      const acknowledged = sql`
        with acknowledged as materialized (
          select request_id from ${table}
          where ${table.challenges} @> ${JSON.stringify([{ codeChallenge }])}::jsonb and ${table.challenges} <> '[]'
        )
        select request_id from acknowledged limit 2`;
      const rows = await database.query
        .select()
        .from(table)
        .where(sql`${table.requestId} = any(array(${acknowledged}))`);
      return rows.map(fromRow);
    },
    settle: async (tx, request, code) => (await settleAll(tx, [{ request, code }]))[0] ?? false,
    settleInBatch: (request, code) => settleInBatch({ request, code }),
    async fail(tx, requestId, { reason, askedAtMs, atMs }) {
      const [row] = await tx
        .update(table)
        .set({
          status: 'FAILED',
          failureReason: reason,
          failedAt: new Date(atMs),
          askedAt: sql`coalesce(${table.askedAt}, ${new Date(askedAtMs).toISOString()}::timestamptz)`,
          held: [],
          unclaimedCode: sql`${table.held} -> 0 ->> 'voucherCode'`,
          unclaimedAt: sql`(${table.held} -> 0 ->> 'at')::timestamptz`,
        })
        .where(waiting(requestId))
        .returning();
      if (!row) return false;
      if (row.unclaimedCode !== null) onUnclaimed(requestId);
      await publish(tx, [fromRow(row)]);
      await cancelJobs(tx, [row]);
      return true;
    },
    storeAnswer: (tx, interim) => storeAnswers(tx, [interim]),
    storeAnswerInBatch,
    async hold(tx, requestId, callback) {
      const [request] = await lockRows(tx, [requestId]);
      if (request?.status !== 'WAITING' || request.challenges.length > 0) return 'changed';
      const isDuplicate = request.held.some(
        (held) => held.codeVerifier === callback.codeVerifier && held.voucherCode === callback.voucherCode,
      );
      if (isDuplicate) return 'held';
      if (request.held.length >= maxHeld) return 'full';
      await tx
        .update(table)
        .set({ held: [...request.held, callback] })
        .where(waiting(requestId));
      return 'held';
    },
    async keepUnclaimed(tx, requestId, { voucherCode, atMs }) {
      const rows = await tx
        .update(table)
        .set({ unclaimedCode: voucherCode, unclaimedAt: new Date(atMs) })
        .where(and(eq(table.requestId, requestId), eq(table.status, 'FAILED'), sql`${table.unclaimedCode} is null`))
        .returning({ requestId: table.requestId });
      if (rows.length > 0) {
        onUnclaimed(requestId);
        return 'kept';
      }
      const [row] = await tx.select({ code: table.unclaimedCode }).from(table).where(eq(table.requestId, requestId));
      return row?.code === voucherCode ? 'duplicate' : 'conflict';
    },
  };
  return store;
}
