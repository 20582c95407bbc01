import type { Database } from '@voucher-gateway/platform/database';
import { isUuid } from '@voucher-gateway/platform/database/columns';
import { CodedError } from '@voucher-gateway/platform/errors';
import { decodeCursor } from '@voucher-gateway/schema/cursor';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { and, desc, eq, sql } from 'drizzle-orm';
import { parseSize } from './purchased-vouchers.ts';
import type { VoucherRequestRow } from './request-row.ts';
import { voucherRequest } from './tables.ts';

export interface RequestPage {
  rows: VoucherRequestRow[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

/**
 * Reads a page of a user's requests, newest first, as Relay's specification of cursor connections demands.
 *
 * @throws CodedError BAD_USER_INPUT for an invalid page size, CURSOR_INVALID for a cursor of another list
 */
export async function readRequests(
  database: Database,
  userId: string,
  args: { first?: number | null; after?: string | null },
): Promise<RequestPage> {
  const size = parseSize('first', args.first);
  const after = await findRequest(database, userId, args.after);
  const rows = await database.query
    .select()
    .from(voucherRequest)
    .where(
      and(
        eq(voucherRequest.userId, userId),
        after === null
          ? undefined
          : sql`(${voucherRequest.requestedAt}, ${voucherRequest.id}) < (select requested_at, id from ${voucherRequest} where id = ${after})`,
      ),
    )
    .orderBy(desc(voucherRequest.requestedAt), desc(voucherRequest.id))
    .limit(size + 1);
  return { rows: rows.slice(0, size), hasNextPage: rows.length > size, hasPreviousPage: after !== null };
}

/** Returns the id of the user's request that a cursor names; null without a cursor. */
async function findRequest(
  database: Database,
  userId: string,
  cursor: string | null | undefined,
): Promise<string | null> {
  if (cursor === null || cursor === undefined) return null;
  const id = decodeCursor(cursor)?.id ?? '';
  const [row] = isUuid(id)
    ? await database.query
        .select({ id: voucherRequest.id })
        .from(voucherRequest)
        .where(and(eq(voucherRequest.id, id), eq(voucherRequest.userId, userId)))
    : [];
  if (row) return row.id;
  throw new CodedError<PublicErrorCode>('CURSOR_INVALID', 'This cursor is not of this list.', {
    details: { argument: 'after' },
  });
}
