import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Database } from '@voucher-gateway/platform/database';
import { isAnyId, joinById } from '@voucher-gateway/platform/database/rows';
import type { StopStage } from '@voucher-gateway/platform/process/stop-stage';
import type { Topics } from '@voucher-gateway/platform/topics';
import { type RequestAcknowledged, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, sql } from 'drizzle-orm';
import { voucherRequest } from './tables.ts';

/**
 * Stores when pending requests were sent to the provider, and when the provider acknowledged them. Clients see both
 * times in `VoucherRequest.steps`. A request that has ended is skipped, because its outcome contained both times.
 *
 * @param stage the stage of the shutdown in which the consumer stops
 */
export async function consumeAcknowledgements({
  database,
  topics,
  stage,
}: {
  database: Database;
  topics: Topics;
  stage: Pick<StopStage, 'use'>;
}): Promise<void> {
  const store = createBatcher<RequestAcknowledged, void>({
    async run(acknowledgements) {
      await storeAcknowledgements(database, acknowledgements);
      return [];
    },
  });
  stage.use(
    await topics.consume({
      topic: schemaTopics.requestAcknowledged,
      group: 'voucher',
      handler: ({ value }) => store(value),
    }),
  );
}

/**
 * Stores `askedAt` and `acknowledgedAt` of pending requests. Never waits for a locked row. A message with a phone
 * number other than the request's changes nothing. Such a message does not reach the request's subscribers either.
 */
export async function storeAcknowledgements(
  database: Pick<Database, 'query'>,
  acknowledgements: readonly RequestAcknowledged[],
): Promise<void> {
  const joined = joinById(
    voucherRequest.id,
    acknowledgements.map(({ requestId, phoneNumber, askedAt, acknowledgedAt }) => ({
      id: requestId,
      phone_number: phoneNumber,
      asked_at: askedAt,
      acknowledged_at: acknowledgedAt,
    })),
    { id: 'uuid', phone_number: 'text', asked_at: 'timestamptz', acknowledged_at: 'timestamptz' },
  );
  const ids = acknowledgements.map(({ requestId }) => requestId);
  // Locked rows are skipped. The times of a skipped request are not lost, because its outcome also contains `askedAt`
  // and `acknowledgedAt`.
  const unlocked = sql`(
    select ${voucherRequest.id} from ${voucherRequest}
    where ${isAnyId(voucherRequest.id, ids)} and ${voucherRequest.status} = 'PENDING'
    for no key update skip locked
  )`;
  await database.query
    .update(voucherRequest)
    .set({ askedAt: sql`input.asked_at`, acknowledgedAt: sql`input.acknowledged_at` })
    .from(joined.from)
    .where(
      and(
        joined.isJoined,
        sql`${voucherRequest.phoneNumber} = input.phone_number`,
        eq(voucherRequest.status, 'PENDING'),
        sql`${voucherRequest.id} in ${unlocked}`,
      ),
    );
}
