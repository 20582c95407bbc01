import { instant } from '@voucher-gateway/platform/database/columns';
import { sql } from 'drizzle-orm';
import { index, integer, jsonb, pgSchema, text, uuid } from 'drizzle-orm/pg-core';
import type { Challenge, HeldCallback } from './state.ts';

export const schema = pgSchema('integration');

/** One row per request to the provider: its state and its outcome. */
export const providerRequest = schema.table(
  'provider_request',
  {
    requestId: uuid('request_id').primaryKey(),
    userId: uuid('user_id').notNull(),
    phoneNumber: text('phone_number').notNull(),
    requestedAt: instant('requested_at').notNull(),
    /** When the request was first sent to the provider. Null until the first answer of the provider is stored. */
    askedAt: instant('asked_at'),
    status: text({ enum: ['WAITING', 'SETTLED', 'FAILED'] }).notNull(),
    challenges: jsonb().$type<Challenge[]>().notNull(),
    /** Callbacks that arrived before the first challenge. They are verified when that challenge is stored. */
    held: jsonb().$type<HeldCallback[]>().notNull(),
    /** How many times the request was sent to the provider. */
    attempts: integer().notNull(),
    /** Code of the last failure; null after a challenge. */
    lastError: text('last_error'),
    code: text(),
    voucherStatus: text('voucher_status', { enum: ['SUCCESS', 'LATE_SUCCESS'] }),
    receivedAt: instant('received_at'),
    failureReason: text('failure_reason', { enum: ['PROVIDER_REFUSED', 'PROVIDER_UNAVAILABLE', 'PROVIDER_SILENT'] }),
    failedAt: instant('failed_at'),
    /** A code that was bought, but is not published because it arrived after the request had failed. */
    unclaimedCode: text('unclaimed_code'),
    unclaimedAt: instant('unclaimed_at'),
  },
  (table) => [
    index('provider_request_by_age').on(table.requestedAt),
    // A partial index for the operator `@>` on acknowledged requests. Settling a request changes no indexed column. So
    // PostgreSQL updates the row without writing an index (HOT).
    index('provider_request_acknowledged')
      .using('gin', table.challenges.op('jsonb_path_ops'))
      .where(sql`${table.challenges} <> '[]'`),
  ],
);
