import type { Database } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import { decodeCursor, encodeCursor } from '@voucher-gateway/schema/cursor';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { and, asc, desc, eq, gt, gte, lt, type SQL } from 'drizzle-orm';
import { consumedPosition, voucher } from './tables.ts';

export type VoucherRow = typeof voucher.$inferSelect;

export interface PageArguments {
  first?: number | null;
  after?: string | null;
  last?: number | null;
  before?: string | null;
  filter?: { code?: string | null; receivedFrom?: Date | null; receivedTo?: Date | null } | null;
}

export interface VoucherPage {
  rows: VoucherRow[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
  storedThrough: { topic: string; partition: number; position: string }[];
}

const defaultSize = 20;
const maxSize = 100;

/**
 * A page of a phone number's feed, oldest first, by Relay's cursor connections specification.
 *
 * @throws CodedError BAD_USER_INPUT for sizes that don't fit, CURSOR_INVALID for a cursor of another feed
 */
export async function readPage(database: Database, phoneNumber: string, args: PageArguments): Promise<VoucherPage> {
  const backwards = (args.last ?? null) !== null;
  if (backwards && (args.first ?? null) !== null) throw badSize('last', 'Give first or last, not both.');
  const size = backwards ? checkedSize('last', args.last) : checkedSize('first', args.first);

  // Before the rows: what is consumed in between is in the rows, and told apart by its id.
  const storedThrough = await database.query.select().from(consumedPosition);
  const after = await placeOf(database, phoneNumber, args.after, 'after');
  const before = await placeOf(database, phoneNumber, args.before, 'before');
  const filter = filterOf(args.filter);
  const inside: (SQL | undefined)[] = [eq(voucher.phoneNumber, phoneNumber), ...filter];
  if (after !== null) inside.push(gt(voucher.feedNumber, after));
  if (before !== null) inside.push(lt(voucher.feedNumber, before));

  const found = await database.query
    .select()
    .from(voucher)
    .where(and(...inside))
    .orderBy(backwards ? desc(voucher.feedNumber) : asc(voucher.feedNumber))
    .limit(size + 1);
  const hasMore = found.length > size;
  const rows = backwards ? found.slice(0, size).reverse() : found.slice(0, size);
  /** Whether the feed goes on beyond a cursor given, on the side that was not counted. */
  const beyond = async (condition: SQL) => {
    const [row] = await database.query
      .select({ id: voucher.id })
      .from(voucher)
      .where(and(eq(voucher.phoneNumber, phoneNumber), ...filter, condition))
      .limit(1);
    return row !== undefined;
  };
  const behind = before === null ? false : await beyond(gte(voucher.feedNumber, before));
  const ahead = after === null || after === 0 ? false : await beyond(lt(voucher.feedNumber, after + 1));
  return {
    rows,
    hasNextPage: backwards ? behind : hasMore || behind,
    hasPreviousPage: backwards ? hasMore || ahead : ahead,
    storedThrough: storedThrough.map(({ topic, partition, position }) => ({
      topic,
      partition,
      position: String(position),
    })),
  };
}

/** The cursor of a voucher. */
export function cursorOf(row: Pick<VoucherRow, 'id'>): string {
  return encodeCursor(row.id);
}

/** The feed number that a cursor names: 0 for the start of the feed. */
async function placeOf(
  database: Database,
  phoneNumber: string,
  cursor: string | null | undefined,
  argument: string,
): Promise<number | null> {
  if (cursor === null || cursor === undefined) return null;
  const invalid = () =>
    new CodedError<PublicErrorCode>('CURSOR_INVALID', 'This cursor is not of this feed.', { details: { argument } });
  const decoded = decodeCursor(cursor);
  if (!decoded) throw invalid();
  if (decoded.id === null) return 0;
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(decoded.id)) throw invalid();
  const [row] = await database.query
    .select({ feedNumber: voucher.feedNumber })
    .from(voucher)
    .where(and(eq(voucher.id, decoded.id), eq(voucher.phoneNumber, phoneNumber)));
  if (!row) throw invalid();
  return row.feedNumber;
}

function filterOf(filter: PageArguments['filter']): SQL[] {
  const conditions: SQL[] = [];
  if (typeof filter?.code === 'string') conditions.push(eq(voucher.code, filter.code));
  if (filter?.receivedFrom) conditions.push(gte(voucher.receivedAt, filter.receivedFrom));
  if (filter?.receivedTo) conditions.push(lt(voucher.receivedAt, filter.receivedTo));
  return conditions;
}

function checkedSize(argument: 'first' | 'last', size: number | null | undefined): number {
  if (size === null || size === undefined) return defaultSize;
  if (size < 0 || size > maxSize) throw badSize(argument, `${argument} is a number from 0 to ${maxSize}.`);
  return size;
}

function badSize(argument: string, message: string): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('BAD_USER_INPUT', message, { details: { argument } });
}
