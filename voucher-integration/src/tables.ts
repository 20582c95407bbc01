import { sql } from 'drizzle-orm';
import { index, integer, jsonb, pgSchema, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import type { Challenge, HeldCallback } from './state.ts';

export const schema = pgSchema('integration');
const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

/** One row a request: what integration waits for, and how it ended. */
export const providerRequest = schema.table(
  'provider_request',
  {
    requestId: uuid('request_id').primaryKey(),
    userId: uuid('user_id').notNull(),
    phoneNumber: text('phone_number').notNull(),
    requestedAt: instant('requested_at').notNull(),
    status: text({ enum: ['WAITING', 'SETTLED', 'FAILED'] }).notNull(),
    challenges: jsonb().$type<Challenge[]>().notNull(),
    /** Callbacks that came before any challenge was stored; judged when one is. */
    held: jsonb().$type<HeldCallback[]>().notNull(),
    /** How often the provider was asked. */
    attempts: integer().notNull(),
    /** How its last answer failed; null after a challenge. */
    lastError: text('last_error'),
    code: text(),
    voucherStatus: text('voucher_status', { enum: ['SUCCESS', 'LATE_SUCCESS'] }),
    receivedAt: instant('received_at'),
    failureReason: text('failure_reason', { enum: ['PROVIDER_REFUSED', 'PROVIDER_UNAVAILABLE', 'PROVIDER_SILENT'] }),
    failedAt: instant('failed_at'),
    /** A verified code that came after the request had failed: bought, and published nowhere. */
    unclaimedCode: text('unclaimed_code'),
    unclaimedAt: instant('unclaimed_at'),
  },
  (table) => [
    index('provider_request_by_age').on(table.requestedAt),
    // For `@>` alone, of those that were acknowledged. No column that settling changes is in an index.
    index('provider_request_acknowledged')
      .using('gin', table.challenges.op('jsonb_path_ops'))
      .where(sql`${table.challenges} <> '[]'`),
  ],
);
