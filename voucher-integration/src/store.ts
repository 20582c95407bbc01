import { createBatcher } from '@voucher-gateway/platform/batcher';
import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { isAnyId, joinById, rowsOf } from '@voucher-gateway/platform/database/rows';
import type { Jobs } from '@voucher-gateway/platform/jobs';
import type { Topics } from '@voucher-gateway/platform/topics';
import {
  type FailureReason,
  type RequestCode,
  topics as schemaTopics,
  type VoucherStatus,
} from '@voucher-gateway/schema/topics';
import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import { askAgain, askAgainIdOf } from './ask-again.ts';
import type { ProviderAnswer } from './provider.ts';
import {
  type HeldCallback,
  maxHeld,
  type ProviderRequest,
  receiveCodeOf,
  requestFailedOf,
  verifies,
  voucherStatusOf,
} from './state.ts';
import { providerRequest as table } from './tables.ts';

/** A code as the provider gave it. */
export interface GivenCode {
  voucherCode: string;
  status: VoucherStatus;
  /** When it came, in milliseconds since the epoch. */
  atMs: number;
}

/** An answer of the provider that does not end a request. */
export interface NotedAnswer {
  requestId: string;
  answer: Extract<ProviderAnswer, { kind: 'challenge' | 'failed' }>;
  /** When it is asked again, in milliseconds; null: never. */
  delayMs: number | null;
}

type WaitingRequest = Extract<ProviderRequest, { status: 'WAITING' }>;

/** What settling needs of a request: neither ever changes. */
export type RequestInWaiting = Pick<ProviderRequest, 'requestId' | 'requestedAt'>;

/**
 * The rows, each change by compare-and-set, with the message it leads to in the same transaction. While a request
 * is WAITING and was asked, there is one job that asks again; it is deleted with whatever ends the request.
 */
export interface Store {
  /**
   * The request's row, made WAITING if there is none; the outcome of one that has ended is published again, the
   * same bytes. What comes together shares a statement.
   */
  open(message: RequestCode): Promise<ProviderRequest>;
  read(requestId: string): Promise<ProviderRequest | null>;
  /** The requests that were acknowledged with this challenge, two at most: a provider may have given it to all. */
  findByChallenge(codeChallenge: string): Promise<ProviderRequest[]>;
  /** WAITING → SETTLED with its message; false, and nothing, when it is WAITING no more. */
  settle(tx: Transaction, request: RequestInWaiting, code: GivenCode): Promise<boolean>;
  /** The same in a transaction of its own, shared with what comes together. */
  settleTogether(request: RequestInWaiting, code: GivenCode): Promise<boolean>;
  /**
   * WAITING → FAILED with its message; false, and nothing, when it is WAITING no more. The first of the callbacks that
   * were held is kept as unclaimed: the provider was told that we have it, and does not send it again.
   */
  fail(tx: Transaction, requestId: string, reason: FailureReason, atMs: number): Promise<boolean>;
  /**
   * Stores an answer that does not end the request, with the job that asks again. A challenge judges what was held
   * for it: the first held callback that verifies settles the request, the others are dropped. Nothing, when it is
   * WAITING no more.
   */
  note(tx: Transaction, noted: NotedAnswer): Promise<void>;
  /** The same in a transaction of its own, shared with what comes together. */
  noteTogether(noted: NotedAnswer): Promise<void>;
  /** Holds a callback for a request without a challenge: not where `maxHeld` are, and not when it can be judged by now. */
  hold(tx: Transaction, requestId: string, callback: HeldCallback): Promise<'held' | 'full' | 'judge'>;
  /** Keeps the first code that came after the request had failed; says whether it is `known` or there is `another`. */
  keepUnclaimed(tx: Transaction, requestId: string, code: GivenCode): Promise<'kept' | 'known' | 'another'>;
}

export interface StoreOptions {
  database: Database;
  topics: Topics;
  jobs: Jobs;
  /** Told of each request that failed with a code that is bought. */
  onUnclaimed?(requestId: string): void;
}

export function createStore({ database, topics, jobs, onUnclaimed = () => {} }: StoreOptions): Store {
  const waiting = (requestId: string) => and(eq(table.requestId, requestId), eq(table.status, 'WAITING'));
  /** In the order of ids, so that two that lock the same rows don't deadlock. */
  const lock = async (tx: Transaction, requestIds: readonly string[]) => {
    const rows = await tx
      .select()
      .from(table)
      .where(isAnyId(table.requestId, requestIds))
      .orderBy(table.requestId)
      .for('update');
    return rows.map(fromRow);
  };
  const cancelJobs = (tx: Transaction, rows: readonly (typeof table.$inferSelect)[]) =>
    jobs.cancel(tx, askAgain, rows.filter(({ attempts }) => attempts > 0).map(askAgainIdOf));
  const publish = async (
    tx: Transaction,
    requests: readonly ProviderRequest[],
    options?: { headers?: Record<string, string> },
  ) => {
    const settled = requests.filter((request) => request.status === 'SETTLED').map(receiveCodeOf);
    const failed = requests.filter((request) => request.status === 'FAILED').map(requestFailedOf);
    await topics.publishAll(tx, schemaTopics.receiveCode, settled, options);
    await topics.publishAll(tx, schemaTopics.requestFailed, failed, options);
  };

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
      const opened = await database.query
        .insert(table)
        .select(
          rowsOf(
            table,
            rows.toSorted((one, other) => (one.requestId < other.requestId ? -1 : 1)),
          ),
        )
        .onConflictDoNothing()
        .returning();
      const requests = new Map(opened.map((row) => [row.requestId, fromRow(row)]));
      const known = rows.map(({ requestId }) => requestId).filter((requestId) => !requests.has(requestId));
      if (known.length > 0)
        await database.transaction(async (tx) => {
          const found = await tx.select().from(table).where(isAnyId(table.requestId, known));
          for (const row of found) requests.set(row.requestId, fromRow(row));
          await publish(tx, found.map(fromRow), { headers: { repeat: 'true' } });
        });
      return messages.map(({ requestId }) => {
        const request = requests.get(requestId);
        if (!request) throw new Error('the row is gone');
        return request;
      });
    },
  });

  /** Settles those that are WAITING; answers for each whether this did it. */
  const settleAll = async (
    tx: Transaction,
    given: readonly { request: RequestInWaiting; code: GivenCode }[],
  ): Promise<boolean[]> => {
    const codes = given.map(({ request: { requestId, requestedAt }, code: { voucherCode, status, atMs } }) => ({
      request_id: requestId,
      code: voucherCode,
      voucher_status: voucherStatusOf(status, requestedAt, new Date(atMs)),
      received_at: new Date(atMs).toISOString(),
    }));
    const settled = joinById(table.requestId, codes, {
      request_id: 'uuid',
      code: 'text',
      voucher_status: 'text',
      received_at: 'timestamptz',
    });
    const rows = await tx
      .update(table)
      .set({
        status: 'SETTLED',
        code: sql`input.code`,
        voucherStatus: sql`input.voucher_status`,
        receivedAt: sql`input.received_at`,
        held: [],
      })
      .from(settled.from)
      .where(and(settled.isJoined, eq(table.status, 'WAITING')))
      .returning(getTableColumns(table));
    await publish(tx, rows.map(fromRow));
    await cancelJobs(tx, rows);
    const codeOf = new Map(rows.map(({ requestId, code }) => [requestId, code]));
    return codes.map(({ request_id, code }) => codeOf.get(request_id) === code && codeOf.delete(request_id));
  };
  const settleTogether = createBatcher({
    run: (given: readonly { request: RequestInWaiting; code: GivenCode }[]) =>
      database.transaction((tx) => settleAll(tx, given)),
  });

  const noteAll = async (tx: Transaction, noted: readonly NotedAnswer[]): Promise<void> => {
    const locked = await lock(
      tx,
      noted.map(({ requestId }) => requestId),
    );
    const waitingById = new Map<string, WaitingRequest>();
    for (const request of locked) if (request.status === 'WAITING') waitingById.set(request.requestId, request);
    const nextJobs: { data: { requestId: string; attempts: number }; delayMs: number; id: string }[] = [];
    const proven: { request: RequestInWaiting; code: GivenCode }[] = [];
    for (const { requestId, answer, delayMs } of noted) {
      const request = waitingById.get(requestId);
      if (!request) continue;
      const asked = { ...request, ...afterAnswer(request, answer) };
      waitingById.set(requestId, asked);
      if (delayMs !== null)
        nextJobs.push({ data: { requestId, attempts: asked.attempts }, delayMs, id: askAgainIdOf(asked) });
      const held = request.held.find(({ codeVerifier }) => verifies(codeVerifier, asked.challenges));
      if (held)
        proven.push({
          request,
          code: { voucherCode: held.voucherCode, status: held.status, atMs: Date.parse(held.at) },
        });
    }
    if (waitingById.size === 0) return;
    const rows = [...waitingById.values()].map(({ requestId, challenges, held, attempts, lastError }) => ({
      request_id: requestId,
      challenges,
      held,
      attempts,
      last_error: lastError,
    }));
    const answered = joinById(table.requestId, rows, {
      request_id: 'uuid',
      challenges: 'jsonb',
      held: 'jsonb',
      attempts: 'integer',
      last_error: 'text',
    });
    await tx
      .update(table)
      .set({
        challenges: sql`input.challenges`,
        held: sql`input.held`,
        attempts: sql`input.attempts`,
        lastError: sql`input.last_error`,
      })
      .from(answered.from)
      .where(answered.isJoined);
    await jobs.scheduleAll(tx, askAgain, nextJobs);
    if (proven.length > 0) await settleAll(tx, proven);
  };
  const noteTogether = createBatcher<NotedAnswer, void>({
    run: (noted) =>
      database.transaction(async (tx) => {
        await noteAll(tx, noted);
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
      // The index has the acknowledged ones. Materialized, for a limit would make a scan of the table look cheap.
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
    settleTogether: (request, code) => settleTogether({ request, code }),
    async fail(tx, requestId, reason, atMs) {
      const [row] = await tx
        .update(table)
        .set({
          status: 'FAILED',
          failureReason: reason,
          failedAt: new Date(atMs),
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
    note: (tx, noted) => noteAll(tx, [noted]),
    noteTogether,
    async hold(tx, requestId, callback) {
      const [request] = await lock(tx, [requestId]);
      if (request?.status !== 'WAITING' || request.challenges.length > 0) return 'judge';
      const isKnown = request.held.some(
        (held) => held.codeVerifier === callback.codeVerifier && held.voucherCode === callback.voucherCode,
      );
      if (isKnown) return 'held';
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
      return row?.code === voucherCode ? 'known' : 'another';
    },
  };
  return store;
}

function afterAnswer(request: WaitingRequest, answer: NotedAnswer['answer']): Partial<WaitingRequest> {
  const attempts = request.attempts + 1;
  if (answer.kind === 'failed') return { attempts, lastError: answer.error };
  const { codeChallenge } = answer;
  const isKnown = request.challenges.some((known) => known.codeChallenge === codeChallenge);
  return {
    attempts,
    challenges: isKnown ? request.challenges : [...request.challenges, { codeChallenge }],
    held: [],
    lastError: null,
  };
}

function fromRow(row: typeof table.$inferSelect): ProviderRequest {
  const { requestId, userId, phoneNumber, requestedAt, challenges } = row;
  const asked = { requestId, userId, phoneNumber, requestedAt, challenges };
  switch (row.status) {
    case 'WAITING':
      return { ...asked, status: 'WAITING', held: row.held, attempts: row.attempts, lastError: row.lastError };
    case 'SETTLED':
      if (row.code === null || row.voucherStatus === null || row.receivedAt === null)
        throw new Error(`the row of ${requestId} is incomplete`);
      return {
        ...asked,
        status: 'SETTLED',
        code: row.code,
        voucherStatus: row.voucherStatus,
        receivedAt: row.receivedAt,
      };
    case 'FAILED':
      if (row.failureReason === null || row.failedAt === null) throw new Error(`the row of ${requestId} is incomplete`);
      return { ...asked, status: 'FAILED', reason: row.failureReason, failedAt: row.failedAt };
  }
}
