import { createBatcher } from '@voucher-gateway/platform/batcher';
import type { Database, Queryable, Transaction } from '@voucher-gateway/platform/database';
import { asJson, joinById, rowsOf } from '@voucher-gateway/platform/database/rows';
import type { Log } from '@voucher-gateway/platform/log';
import type { ConsumeOptions, HandlerContext, Message, Topics } from '@voucher-gateway/platform/topics';
import { type ReceiveCode, type RequestFailed, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, sql } from 'drizzle-orm';
import { consumedPosition, voucher, voucherRequest } from './tables.ts';

const group = 'voucher';

/**
 * Persists the outcomes. A voucher gets its number in the phone number's feed as it is consumed; a repeat
 * gets none and changes nothing. The position consumed through is stored in the same transaction.
 */
export async function consumeOutcomes({
  database,
  topics,
  log,
}: {
  database: Database;
  topics: Topics;
  log: Log;
}): Promise<AsyncDisposable> {
  const positionsOf = (topic: string): Pick<ConsumeOptions<unknown>, 'onAssigned' | 'onFinishedThrough'> => ({
    onAssigned: (partition, position) => beginPosition(database.query, topic, partition, position),
    onFinishedThrough: (positions) => storePositions(database.query, topic, positions),
  });
  await using consumers = new AsyncDisposableStack();
  const persist = createBatcher<{ message: Message<ReceiveCode>; context: HandlerContext }, void>({
    // Each stores the partitions' positions: a second one would only wait for the first.
    concurrency: 1,
    run: (together) =>
      database.transaction(async (tx) => {
        await persistAll(
          tx,
          together.map(({ message }) => message.value),
        );
        // Each knows only itself finished, not the others of the batch: what it could not tell yet comes by onFinishedThrough.
        const positions = new Map<number, number>();
        for (const { message, context } of together)
          positions.set(message.partition, Math.max(positions.get(message.partition) ?? 0, context.finishedThrough()));
        await storePositions(tx, schemaTopics.receiveCode.name, positions);
        return [];
      }),
  });
  consumers.use(
    await topics.consume({
      topic: schemaTopics.receiveCode,
      group,
      handler: (message, context) => persist({ message, context }),
      ...positionsOf(schemaTopics.receiveCode.name),
    }),
  );
  consumers.use(
    await topics.consume({
      topic: schemaTopics.requestFailed,
      group,
      handler: (message, context) =>
        database.transaction(async (tx) => {
          if (!(await fail(tx, message.value)))
            log.warn({ requestId: message.value.requestId }, 'a failure came for a request that is not pending');
          await storePositions(tx, message.topic, new Map([[message.partition, context.finishedThrough()]]));
        }),
      ...positionsOf(schemaTopics.requestFailed.name),
    }),
  );
  const owned = consumers.move();
  return { [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Messages that came together share a transaction; those of a phone number never do: they come one after the other. */
async function persistAll(tx: Transaction, outcomes: readonly ReceiveCode[]): Promise<void> {
  // Messages of a phone number are handled in order; the lock holds also where two processes share a feed for a moment.
  // Taken in one order, so that two batches never wait for each other both.
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
    outcomes.map(({ requestId, receivedAt }) => ({ id: requestId, ended_at: receivedAt })),
    { id: 'uuid', ended_at: 'timestamptz' },
  );
  // Integration's outcome is final and the only one; a code wins over a failure that was noted by mistake.
  await tx
    .update(voucherRequest)
    .set({ status: 'FULFILLED', endedAt: sql`input.ended_at`, failureReason: null, failureMessage: null })
    .from(ended.from)
    .where(ended.isJoined);
}

async function fail(tx: Transaction, { requestId, reason, message, failedAt }: RequestFailed): Promise<boolean> {
  const rows = await tx
    .update(voucherRequest)
    .set({ status: 'FAILED', endedAt: new Date(failedAt), failureReason: reason, failureMessage: message })
    .where(and(eq(voucherRequest.id, requestId), sql`${voucherRequest.status} <> 'FULFILLED'`))
    .returning({ id: voucherRequest.id });
  return rows.length > 0;
}

/**
 * Where the group begins a partition, backwards, too: who resumes by a position that is too low is told nothing twice, by
 * one that is too high too little.
 */
async function beginPosition(query: Queryable, topic: string, partition: number, position: number): Promise<void> {
  await query
    .insert(consumedPosition)
    .values({ topic, partition, position })
    .onConflictDoUpdate({
      target: [consumedPosition.topic, consumedPosition.partition],
      set: { position },
      setWhere: sql`${consumedPosition.position} <> excluded.position`,
    });
}

/** Never backwards: messages of different keys finish in any order. */
async function storePositions(query: Queryable, topic: string, positions: ReadonlyMap<number, number>): Promise<void> {
  await query
    .insert(consumedPosition)
    .select(
      rowsOf(
        consumedPosition,
        // In one order, so that two that store the same partitions don't deadlock.
        [...positions]
          .toSorted(([one], [other]) => one - other)
          .map(([partition, position]) => ({ topic, partition, position })),
      ),
    )
    .onConflictDoUpdate({
      target: [consumedPosition.topic, consumedPosition.partition],
      set: { position: sql`excluded.position` },
      setWhere: sql`${consumedPosition.position} < excluded.position`,
    });
}
