import { instant } from '@voucher-gateway/platform/database/columns';
import { sealedKeys, signingKeyTable } from '@voucher-gateway/platform/identity/signing-key-table';
import type { SealedColumn } from '@voucher-gateway/platform/secrets/sealed-columns';
import { sql } from 'drizzle-orm';
import { boolean, index, integer, pgSchema, primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import type { DeliveryError } from './attempt-result.ts';

export const schema = pgSchema('delivery');

export type Channel = 'CALLBACK' | 'SMS';
export type DeliveryStatus = 'PENDING' | 'DELIVERED' | 'FAILED' | 'SIMULATED';

/** The callbackUrl of each request. The key-value store has a copy that expires. */
export const requestTarget = schema.table(
  'request_target',
  {
    requestId: uuid('request_id').primaryKey(),
    userId: uuid('user_id').notNull(),
    /** The client's callbackUrl; null if the client set none. */
    callbackUrl: text('callback_url'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [index('request_target_by_age').on(table.createdAt)],
);

/** The delivery of an outcome over one channel. delivery-store.ts describes its states. */
export const delivery = schema.table(
  'delivery',
  {
    /** The delivery's id, which is also the callback's `webhook-id`. */
    id: uuid().primaryKey(),
    /** The request; null for a notice about an endpoint. */
    requestId: uuid('request_id'),
    /** The voucher; null if the request failed. */
    voucherId: uuid('voucher_id'),
    /** The disabled endpoint that a notice is about; null for the outcome of a request. */
    noticeOf: uuid('notice_of'),
    userId: uuid('user_id').notNull(),
    channel: text().$type<Channel>().notNull(),
    /** URL of a callback; null for an SMS. */
    url: text(),
    /** Phone number of an SMS, as E.164; null for a callback. */
    phoneNumber: text('phone_number'),
    /** The callback's body or the SMS's text, the same in each attempt. */
    body: text().notNull(),
    status: text().$type<DeliveryStatus>().notNull(),
    /** Why the delivery has failed, if no attempt shows the reason. */
    error: text().$type<DeliveryError>(),
    createdAt: instant('created_at').notNull(),
    /** When the next attempt is due; during an attempt, the end of its lease. Null once the delivery has ended. */
    nextAttemptAt: instant('next_attempt_at'),
    /**
     * The endpoint in whose queue the delivery waits (`endpointOf`). The previous version inserts rows without this
     * column. Such a row gets the default, which is the SMS provider.
     */
    endpointId: uuid('endpoint_id').notNull().default('00000000-0000-0000-0000-000000000000'),
    /** No longer used. The next version will drop this column. */
    jobId: uuid('job_id'),
    /** Number of the last attempt that was started. */
    turn: integer().notNull(),
    /** Whether the last started attempt still has no result. */
    running: boolean().notNull(),
    /**
     * Number of failed attempts since creation or the last redelivery. This number selects the next delay in the retry
     * schedule.
     */
    failures: integer().notNull(),
    /** Number of redeliveries. */
    round: integer().notNull(),
    /**
     * Number of the attempt that the SMS provider has accepted. Null if no report about an accepted attempt is awaited.
     */
    acceptedTurn: integer('accepted_turn'),
  },
  (table) => [
    uniqueIndex('delivery_by_request').on(table.requestId, table.channel),
    index('delivery_by_voucher').on(table.voucherId),
    index('delivery_by_age').on(table.createdAt),
    // The index contains failed deliveries only, so that writes of other deliveries do not update it.
    index('delivery_failed').on(table.userId, table.createdAt, table.id).where(sql`${table.status} = 'FAILED'`),
    // This index finds the endpoints with waiting deliveries, and their due deliveries. Deliveries with the earliest
    // times are started first. A started delivery leaves a dead entry in the index until the next vacuum. The index is
    // descending, so that scans read the earliest times, and the dead entries, last.
    index('delivery_waiting')
      .on(table.endpointId, table.nextAttemptAt.desc().nullsFirst())
      .where(sql`${table.status} = 'PENDING' and not ${table.running}`),
    // This index finds attempts in progress by the end of their leases.
    index('delivery_leases').on(table.nextAttemptAt).where(sql`${table.status} = 'PENDING' and ${table.running}`),
    index('delivery_notice').on(table.noticeOf, table.createdAt).where(sql`${table.noticeOf} is not null`),
  ],
);

export type Delivery = typeof delivery.$inferSelect;

/** The endpoints to which attempts were made, with their state. */
export const endpoint = schema.table(
  'endpoint',
  {
    /** The endpoint's id (`endpointOf`). */
    id: uuid().primaryKey(),
    userId: uuid('user_id').notNull(),
    origin: text().notNull(),
    /** The URL of the last stored attempt. */
    url: text().notNull(),
    /** When a result was last stored in this row. Not every result is stored here. */
    usedAt: instant('used_at').notNull(),
    lastSuccessAt: instant('last_success_at'),
    lastFailureAt: instant('last_failure_at'),
    /** Since when all attempts have failed; null if the last attempt succeeded. */
    failingSince: instant('failing_since'),
    /** When the endpoint was disabled; null if it is enabled. */
    disabledAt: instant('disabled_at'),
  },
  (table) => [index('endpoint_by_user').on(table.userId, table.usedAt), index('endpoint_by_age').on(table.usedAt)],
);

export type EndpointRow = typeof endpoint.$inferSelect;

/** The attempts that have ended. */
export const attempt = schema.table(
  'attempt',
  {
    deliveryId: uuid('delivery_id')
      .notNull()
      .references(() => delivery.id),
    turn: integer().notNull(),
    at: instant('at').notNull(),
    /** HTTP status; null without a response. */
    status: integer(),
    durationMs: integer('duration_ms').notNull(),
    /** A stable code (`AttemptError`); null after a success. */
    error: text(),
    /** The beginning of the response's body, or the SMS provider's error code; null if there is none. */
    response: text(),
  },
  (table) => [primaryKey({ columns: [table.deliveryId, table.turn] })],
);

export type Attempt = typeof attempt.$inferSelect;

/** The recoveries in progress, at most one per user. A recovery restarts a user's failed deliveries (`recovery.ts`). */
export const recovery = schema.table('recovery', {
  userId: uuid('user_id').primaryKey(),
  /** Deliveries that were created after this time are not part of the recovery. */
  until: instant('until').notNull(),
  /** Creation time and id of the last delivery that the recovery has restarted. */
  reachedAt: instant('reached_at').notNull(),
  reachedId: uuid('reached_id').notNull(),
  /** When the recovery's next batch is due. */
  dueAt: instant('due_at').notNull(),
});

/** The secrets that sign a user's callbacks. */
export const callbackSecret = schema.table(
  'callback_secret',
  {
    id: uuid().primaryKey(),
    userId: uuid('user_id').notNull(),
    /** The secret, `whsec_` and base64, encrypted. */
    secret: text().notNull(),
    createdAt: instant('created_at').notNull(),
    /** When a replaced secret stops signing; null for the current secret. */
    signsUntil: instant('signs_until'),
  },
  (table) => [
    uniqueIndex('callback_secret_current').on(table.userId).where(sql`${table.signsUntil} is null`),
    index('callback_secret_by_user').on(table.userId),
    // This index finds secrets that are not encrypted with the first key of SECRETS_KEY. The expression of the index
    // has to be the expression that `prefixOf` returns.
    index('callback_secret_key').on(sql`left(${table.secret}, 16)`),
    index('callback_secret_replaced').on(table.signsUntil).where(sql`${table.signsUntil} is not null`),
  ],
);

/** The service's own keys, which sign the callbacks of all users. */
export const signingKey = signingKeyTable(schema);

export const sealedCallbackSecrets: SealedColumn = {
  table: callbackSecret,
  id: callbackSecret.id,
  column: callbackSecret.secret,
  purpose: 'delivery.callback_secret',
};

/** The columns that are encrypted. */
export const deliverySecrets = [sealedKeys(signingKey), sealedCallbackSecrets];
