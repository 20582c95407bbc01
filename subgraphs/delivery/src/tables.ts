import { sql } from 'drizzle-orm';
import { boolean, index, integer, pgSchema, primaryKey, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';

export const schema = pgSchema('delivery');
const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

export type Channel = 'CALLBACK' | 'SMS';
export type DeliveryStatus = 'PENDING' | 'DELIVERED' | 'FAILED';

/** Where each request's outcome goes: the durable home of callbackUrl. */
export const requestTarget = schema.table(
  'request_target',
  {
    requestId: uuid('request_id').primaryKey(),
    userId: uuid('user_id').notNull(),
    /** Null where the client gave none. */
    callbackUrl: text('callback_url'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [index('request_target_by_age').on(table.createdAt)],
);

/** An outcome on its way over one channel. Its states stand in delivery-store.ts. */
export const delivery = schema.table(
  'delivery',
  {
    /** Also the callback's `webhook-id`. */
    id: uuid().primaryKey(),
    requestId: uuid('request_id').notNull(),
    /** Null where the request failed. */
    voucherId: uuid('voucher_id'),
    userId: uuid('user_id').notNull(),
    channel: text().$type<Channel>().notNull(),
    /** Where to, for a callback. */
    url: text(),
    /** Where to, for an SMS: E.164. */
    phoneNumber: text('phone_number'),
    /** What is sent, built once: the callback's body or the SMS's text. */
    body: text().notNull(),
    status: text().$type<DeliveryStatus>().notNull(),
    createdAt: instant('created_at').notNull(),
    nextAttemptAt: instant('next_attempt_at'),
    /** The one job that may make the next attempt; any other finds itself replaced. Null when there is none to make. */
    jobId: uuid('job_id'),
    /** Number of the last attempt begun. */
    turn: integer().notNull(),
    /** Whether that attempt has no result yet. */
    running: boolean().notNull(),
    /** Failed attempts since the start, or since it was last sent again by hand: place in the retry schedule. */
    failures: integer().notNull(),
    /** How often it was sent again by hand. */
    round: integer().notNull(),
  },
  (table) => [
    uniqueIndex('delivery_by_request').on(table.requestId, table.channel),
    index('delivery_by_voucher').on(table.voucherId),
    index('delivery_by_age').on(table.createdAt),
  ],
);

export type Delivery = typeof delivery.$inferSelect;

/** What has been tried. */
export const attempt = schema.table(
  'attempt',
  {
    deliveryId: uuid('delivery_id')
      .notNull()
      .references(() => delivery.id),
    turn: integer().notNull(),
    at: instant('at').notNull(),
    /** HTTP status; null where there was no answer. */
    status: integer(),
    durationMs: integer('duration_ms').notNull(),
    /** A short stable word; null when nothing went wrong. */
    error: text(),
  },
  (table) => [primaryKey({ columns: [table.deliveryId, table.turn] })],
);

export type Attempt = typeof attempt.$inferSelect;

/** The secrets that a user's callbacks are signed with. */
export const callbackSecret = schema.table(
  'callback_secret',
  {
    id: uuid().primaryKey(),
    userId: uuid('user_id').notNull(),
    /** `whsec_` and base64. */
    secret: text().notNull(),
    createdAt: instant('created_at').notNull(),
    /** Null for the current one; a replaced one signs along until then. */
    signsUntil: instant('signs_until'),
  },
  (table) => [
    uniqueIndex('callback_secret_current').on(table.userId).where(sql`${table.signsUntil} is null`),
    index('callback_secret_by_user').on(table.userId),
    index('callback_secret_replaced').on(table.signsUntil).where(sql`${table.signsUntil} is not null`),
  ],
);
