import { instant } from '@voucher-gateway/platform/database/columns';
import { sql } from 'drizzle-orm';
import { bigint, index, integer, pgSchema, primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';

export const schema = pgSchema('voucher');

export const voucherRequest = schema.table(
  'voucher_request',
  {
    id: uuid().primaryKey(),
    userId: uuid('user_id').notNull(),
    phoneNumber: text('phone_number').notNull(),
    callbackUrl: text('callback_url'),
    status: text({ enum: ['PENDING', 'FULFILLED', 'FAILED'] }).notNull(),
    failureReason: text('failure_reason', { enum: ['PROVIDER_REFUSED', 'PROVIDER_UNAVAILABLE', 'PROVIDER_SILENT'] }),
    failureMessage: text('failure_message'),
    requestedAt: instant('requested_at').notNull(),
    endedAt: instant('ended_at'),
    /**
     * When the request was first sent to the provider, and when the provider acknowledged the request. A time is null
     * if the time is unknown, or if the step has not happened yet.
     */
    askedAt: instant('asked_at'),
    acknowledgedAt: instant('acknowledged_at'),
    /** When this service stored the outcome. */
    storedAt: instant('stored_at'),
    /** Id of the last voucher in the phone number's feed when the request was accepted; null if the feed was empty. */
    feedEnd: uuid('feed_end'),
    /** When the request's message was last published. The sweep publishes an overdue request again. */
    publishedAt: instant('published_at').notNull(),
  },
  (table) => [
    // A partial index for the sweep. It is small, because few requests are pending.
    index('voucher_request_overdue').on(table.publishedAt).where(sql`${table.status} = 'PENDING'`),
    index('voucher_request_of_user').on(table.userId, table.requestedAt, table.id),
  ],
);

/** The request of each idempotency key. A row is deleted after its key has expired. */
export const idempotencyKey = schema.table(
  'idempotency_key',
  {
    userId: uuid('user_id').notNull(),
    key: text().notNull(),
    /** Hash of the normalised input. */
    fingerprint: text().notNull(),
    requestId: uuid('request_id').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.key] }),
    index('idempotency_key_by_expiry').on(table.expiresAt),
  ],
);

export const voucher = schema.table(
  'voucher',
  {
    id: uuid().primaryKey(),
    requestId: uuid('request_id').notNull(),
    userId: uuid('user_id').notNull(),
    code: text().notNull(),
    phoneNumber: text('phone_number').notNull(),
    status: text({ enum: ['SUCCESS', 'LATE_SUCCESS'] }).notNull(),
    requestedAt: instant('requested_at').notNull(),
    receivedAt: instant('received_at').notNull(),
    /**
     * Position in the phone number's feed: 1, 2, 3 and so on, in the order of consumption. So it depends neither on
     * clocks nor on partitions.
     */
    feedNumber: integer('feed_number').notNull(),
  },
  (table) => [
    uniqueIndex('voucher_request_id').on(table.requestId),
    uniqueIndex('voucher_feed').on(table.phoneNumber, table.feedNumber),
  ],
);

/** The next offset of each partition. The transaction that stores the vouchers of messages also stores this offset. */
export const consumedPosition = schema.table(
  'consumed_position',
  {
    topic: text().notNull(),
    partition: integer().notNull(),
    position: bigint({ mode: 'number' }).notNull(),
    /**
     * Only version 0.1 uses this column, which is null in rows of later versions. It will be dropped in the next
     * version.
     */
    publishedAt: instant('published_at'),
  },
  (table) => [primaryKey({ columns: [table.topic, table.partition] })],
);
