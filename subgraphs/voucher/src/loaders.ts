import type { Database } from '@voucher-gateway/platform/database';
import { isUuid } from '@voucher-gateway/platform/database/columns';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import DataLoader from 'dataloader';
import { and, eq, inArray } from 'drizzle-orm';
import type { VoucherContext } from './resolvers.ts';
import { voucher, voucherRequest } from './tables.ts';

/** Creates the DataLoaders of a GraphQL request. For an unknown id, and for a row of another user, they return null. */
export function createLoaders(
  database: Database,
  identity: Identity | null,
): Omit<VoucherContext, 'identity' | 'signal'> {
  const own = <Row extends object>(
    read: (ids: string[], userId: string) => Promise<Row[]>,
    idOf: (row: Row) => string,
  ) =>
    new DataLoader<string, Row | null>(async (ids) => {
      const valid = ids.filter(isUuid).map((id) => id.toLowerCase());
      const rows = identity && valid.length > 0 ? await read(valid, identity.userId) : [];
      const byId = new Map(rows.map((row) => [idOf(row), row]));
      return ids.map((id) => byId.get(id.toLowerCase()) ?? null);
    });
  return {
    requests: own(
      (ids, userId) =>
        database.query
          .select()
          .from(voucherRequest)
          .where(and(inArray(voucherRequest.id, ids), eq(voucherRequest.userId, userId))),
      (row) => row.id,
    ),
    vouchers: own(
      (ids, userId) =>
        database.query
          .select()
          .from(voucher)
          .where(and(inArray(voucher.id, ids), eq(voucher.userId, userId))),
      (row) => row.id,
    ),
    vouchersByRequest: own(
      (ids, userId) =>
        database.query
          .select()
          .from(voucher)
          .where(and(inArray(voucher.requestId, ids), eq(voucher.userId, userId))),
      (row) => row.requestId,
    ),
  };
}
