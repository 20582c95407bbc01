import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Database, Queryable, Transaction } from '@voucher-gateway/platform/database';
import { asJson, joinById, rowsOf } from '@voucher-gateway/platform/database/rows';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { StopStage } from '@voucher-gateway/platform/process/stop-stage';
import type { ConsumeOptions, HandlerContext, Message, Topics } from '@voucher-gateway/platform/topics';
import { type ReceiveCode, type RequestFailed, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, sql } from 'drizzle-orm';
import { consumedPosition, voucher, voucherRequest } from './tables.ts';

const group = 'voucher';

/**
 * Stores outcomes: vouchers and failures of requests. A voucher gets the next number in the feed of its phone number. A
 * duplicate changes nothing. The same transaction stores the consumed offset of each partition.
 *
 * @param stage the stage of the shutdown in which the consumers stop
 */
export async function consumeOutcomes({
  database,
  topics,
  stage,
  log,
}: {
  database: Database;
  topics: Topics;
  stage: Pick<StopStage, 'use'>;
  log: Log;
}): Promise<void> {
  const positionsOf = (topic: string): Pick<ConsumeOptions<unknown>, 'onAssigned' | 'onFinishedThrough'> => ({
    onAssigned: (partition, position) => resetPosition(database.query, topic, partition, position),
    onFinishedThrough: (positions) => advancePositions(database.query, topic, positions),
  });
  const store = createBatcher<{ message: Message<ReceiveCode>; context: HandlerContext }, void>({
    // Every batch updates the same rows of `consumed_position`. So a concurrent batch would only wait for row locks.
    concurrency: 1,
    run: (batch) =>
      database.transaction(async (tx) => {
        await storeVouchers(
          tx,
          batch.map(({ message }) => message.value),
        );
        // `finishedThrough` counts the batch's other messages as unfinished. So the stored position may be too low, until
        // the consumer calls `onFinishedThrough`.
        const positions = new Map<number, number>();
        for (const { message, context } of batch)
          positions.set(message.partition, Math.max(positions.get(message.partition) ?? 0, context.finishedThrough()));
        await advancePositions(tx, schemaTopics.receiveCode.name, positions);
        return [];
      }),
  });
  stage.use(
    await topics.consume({
      topic: schemaTopics.receiveCode,
      group,
      handler: (message, context) => store({ message, context }),
      ...positionsOf(schemaTopics.receiveCode.name),
    }),
  );
  stage.use(
    await topics.consume({
      topic: schemaTopics.requestFailed,
      group,
      handler: (message, context) =>
        database.transaction(async (tx) => {
          if (!(await storeFailure(tx, message.value)))
            log.warn({ requestId: message.value.requestId }, 'received a failure for a request that is not pending');
          await advancePositions(tx, message.topic, new Map([[message.partition, context.finishedThrough()]]));
        }),
      ...positionsOf(schemaTopics.requestFailed.name),
    }),
  );
}

/**
 * Stores a batch of vouchers. The batch has at most one voucher per phone number, because the consumer handles messages
 * of a phone number one after another.
 */
async function storeVouchers(tx: Transaction, outcomes: readonly ReceiveCode[]): Promise<void> {
  // During a rebalance two processes may append to the same feed. The feeds are locked in order, so that two batches
  // can not deadlock.
  const phoneNumbers = outcomes.map(({ phoneNumber }) => phoneNumber).toSorted();
  await tx.execute(
    sql`select pg_advisory_xact_lock(hashtext('voucher:feed:' || phone_number)) from json_array_elements_text(${asJson(phoneNumbers)}::json) as phone_number`,
  );
  await tx
    .insert(voucher)
    .select(
      rowsOf(
        voucher,
        outcomes.map(({ id, requestId, code, phoneNumber, status, requestedAt, receivedAt, owner }) => ({
          id,
          requestId,
          userId: owner.id,
          code,
          phoneNumber,
          status,
          requestedAt: new Date(requestedAt),
          receivedAt: new Date(receivedAt),
        })),
        {
          feedNumber: sql`(select coalesce(max(${voucher.feedNumber}), 0) + 1 from ${voucher} where ${voucher.phoneNumber} = input.phone_number)`,
        },
      ),
    )
    .onConflictDoNothing({ target: voucher.requestId });
  const ended = joinById(
    voucherRequest.id,
    outcomes.map(({ requestId, receivedAt, askedAt, acknowledgedAt }) => ({
      id: requestId,
      ended_at: receivedAt,
      asked_at: askedAt ?? null,
      acknowledged_at: acknowledgedAt ?? null,
    })),
    { id: 'uuid', ended_at: 'timestamptz', asked_at: 'timestamptz', acknowledged_at: 'timestamptz' },
  );
  // A request with a voucher is FULFILLED, even if a failure of the request was stored before.
  await tx
    .update(voucherRequest)
    .set({
      status: 'FULFILLED',
      endedAt: sql`input.ended_at`,
      // An older version of voucher-integration publishes outcomes without `askedAt` and `acknowledgedAt`. For such an
      // outcome, the times of the acknowledgement are kept.
      askedAt: sql`coalesce(input.asked_at, ${voucherRequest.askedAt})`,
      acknowledgedAt: sql`coalesce(input.acknowledged_at, ${voucherRequest.acknowledgedAt})`,
      storedAt: sql`coalesce(${voucherRequest.storedAt}, clock_timestamp())`,
      failureReason: null,
      failureMessage: null,
    })
    .from(ended.from)
    .where(ended.isJoined);
}

async function storeFailure(
  tx: Transaction,
  { requestId, reason, message, failedAt, askedAt, acknowledgedAt }: RequestFailed,
): Promise<boolean> {
  const rows = await tx
    .update(voucherRequest)
    .set({
      status: 'FAILED',
      endedAt: new Date(failedAt),
      ...(askedAt && { askedAt: new Date(askedAt) }),
      ...(acknowledgedAt && { acknowledgedAt: new Date(acknowledgedAt) }),
      storedAt: sql`coalesce(${voucherRequest.storedAt}, clock_timestamp())`,
      failureReason: reason,
      failureMessage: message,
    })
    .where(and(eq(voucherRequest.id, requestId), sql`${voucherRequest.status} <> 'FULFILLED'`))
    .returning({ id: voucherRequest.id });
  return rows.length > 0;
}

/**
 * Stores the offset at which the consumer group starts a partition, even if it is lower than the stored one. A position
 * that is too low is safe, because duplicates are dropped. With a position that is too high, messages would be lost.
 */
async function resetPosition(query: Queryable, topic: string, partition: number, position: number): Promise<void> {
  await query
    .insert(consumedPosition)
    .values({ topic, partition, position })
    .onConflictDoUpdate({
      target: [consumedPosition.topic, consumedPosition.partition],
      set: { position, publishedAt: null },
      setWhere: sql`${consumedPosition.position} <> excluded.position`,
    });
}

/** Stores only positions that are higher than before, because messages of different keys finish in any order. */
async function advancePositions(
  query: Queryable,
  topic: string,
  positions: ReadonlyMap<number, number>,
): Promise<void> {
  await query
    .insert(consumedPosition)
    .select(
      rowsOf(
        consumedPosition,
        // Positions are stored in the order of partitions, so that two transactions can not deadlock.
        [...positions]
          .toSorted(([one], [other]) => one - other)
          .map(([partition, position]) => ({ topic, partition, position })),
      ),
    )
    .onConflictDoUpdate({
      target: [consumedPosition.topic, consumedPosition.partition],
      set: { position: sql`excluded.position`, publishedAt: null },
      setWhere: sql`${consumedPosition.position} < excluded.position`,
    });
}
