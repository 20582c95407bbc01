import { sql } from 'drizzle-orm';
import { bigint, index, integer, pgSchema, primaryKey, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';

export const schema = pgSchema('voucher');
const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

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
    /** The last voucher of the user's feed at acceptance; null when the feed was empty. */
    feedEnd: uuid('feed_end'),
    /** When its message was last published; a request that pends too long is published again. */
    publishedAt: instant('published_at').notNull(),
  },
  // Of the few that pend alone: what the sweep looks for.
  (table) => [index('voucher_request_overdue').on(table.publishedAt).where(sql`${table.status} = 'PENDING'`)],
);

/** Which request an idempotency key stands for, for 24 hours. */
export const idempotencyKey = schema.table(
  'idempotency_key',
  {
    userId: uuid('user_id').notNull(),
    key: text().notNull(),
    /** The input as it was understood. */
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
    /** Place in the phone number's feed: counted in the order of consumption, so that clocks and partitions change nothing. */
    feedNumber: integer('feed_number').notNull(),
  },
  (table) => [
    uniqueIndex('voucher_request_id').on(table.requestId),
    uniqueIndex('voucher_feed').on(table.phoneNumber, table.feedNumber),
  ],
);

/** Through where each topic has been consumed, stored with what was consumed. */
export const consumedPosition = schema.table(
  'consumed_position',
  {
    topic: text().notNull(),
    partition: integer().notNull(),
    position: bigint({ mode: 'number' }).notNull(),
    /** Not used any more: it goes a version later. */
    publishedAt: instant('published_at'),
  },
  (table) => [primaryKey({ columns: [table.topic, table.partition] })],
);
