import type { Transaction } from '@voucher-gateway/platform/database';
import { isAnyId, joinById } from '@voucher-gateway/platform/database/rows';
import type { Jobs } from '@voucher-gateway/platform/jobs';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import { askAgain, askAgainIdOf } from './ask-again.ts';
import { applyAnswers, type InterimAnswer } from './interim-answers.ts';
import { fromRow } from './request-row.ts';
import {
  type ProviderCode,
  type ProviderRequest,
  receiveCodeOf,
  requestAcknowledgedOf,
  requestFailedOf,
  voucherStatusOf,
} from './state.ts';
import { providerRequest as table } from './tables.ts';

/** The fields that settling needs. They never change. */
export type PendingRequest = Pick<ProviderRequest, 'requestId' | 'requestedAt'>;

/** Creates the functions that change many requests in one transaction, together with their messages and jobs. */
export function createRequestChanges({ topics, jobs }: { topics: Topics; jobs: Jobs }) {
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

  /** Settles the requests that are still WAITING. Returns, for each request, whether it was settled. */
  const settleAll = async (
    tx: Transaction,
    settlements: readonly { request: PendingRequest; code: ProviderCode }[],
  ): Promise<boolean[]> => {
    const codes = settlements.map(
      ({ request: { requestId, requestedAt }, code: { voucherCode, status, atMs, askedAtMs } }) => ({
        request_id: requestId,
        code: voucherCode,
        voucher_status: voucherStatusOf(status, requestedAt, new Date(atMs)),
        received_at: new Date(atMs).toISOString(),
        asked_at: askedAtMs === undefined ? null : new Date(askedAtMs).toISOString(),
      }),
    );
    const settled = joinById(table.requestId, codes, {
      request_id: 'uuid',
      code: 'text',
      voucher_status: 'text',
      received_at: 'timestamptz',
      asked_at: 'timestamptz',
    });
    const rows = await tx
      .update(table)
      .set({
        status: 'SETTLED',
        code: sql`input.code`,
        voucherStatus: sql`input.voucher_status`,
        receivedAt: sql`input.received_at`,
        askedAt: sql`coalesce(${table.askedAt}, input.asked_at)`,
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

  const storeAnswers = async (tx: Transaction, interims: readonly InterimAnswer[]): Promise<void> => {
    const locked = await lockRows(
      tx,
      interims.map(({ requestId }) => requestId),
    );
    const waiting = locked.filter((request) => request.status === 'WAITING');
    if (waiting.length === 0) return;
    const { updated, retries, verified, acknowledged } = applyAnswers(waiting, interims);
    const rows = updated.map(({ requestId, askedAt, challenges, held, attempts, lastError }) => ({
      request_id: requestId,
      asked_at: askedAt?.toISOString() ?? null,
      challenges,
      held,
      attempts,
      last_error: lastError,
    }));
    const joined = joinById(table.requestId, rows, {
      request_id: 'uuid',
      asked_at: 'timestamptz',
      challenges: 'jsonb',
      held: 'jsonb',
      attempts: 'integer',
      last_error: 'text',
    });
    await tx
      .update(table)
      .set({
        askedAt: sql`input.asked_at`,
        challenges: sql`input.challenges`,
        held: sql`input.held`,
        attempts: sql`input.attempts`,
        lastError: sql`input.last_error`,
      })
      .from(joined.from)
      .where(joined.isJoined);
    await jobs.scheduleAll(tx, askAgain, retries);
    const messages = acknowledged.map(requestAcknowledgedOf).filter((message) => message !== null);
    await topics.publishAll(tx, schemaTopics.requestAcknowledged, messages);
    if (verified.length > 0) await settleAll(tx, verified);
  };

  return { publish, cancelJobs, lockRows, settleAll, storeAnswers };
}

/** Locks rows in id order, so that two transactions can not deadlock. */
async function lockRows(tx: Transaction, requestIds: readonly string[]) {
  const rows = await tx
    .select()
    .from(table)
    .where(isAnyId(table.requestId, requestIds))
    .orderBy(table.requestId)
    .for('update');
  return rows.map(fromRow);
}
