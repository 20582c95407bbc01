import type { Database } from '@voucher-gateway/platform/database';
import { isUuid } from '@voucher-gateway/platform/database/columns';
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
 * Reads a page of a phone number's vouchers, oldest first, as Relay's specification of cursor connections demands.
 *
 * @throws CodedError BAD_USER_INPUT for an invalid page size, CURSOR_INVALID for a cursor of another feed
 */
export async function readPage(database: Database, phoneNumber: string, args: PageArguments): Promise<VoucherPage> {
  const backwards = (args.last ?? null) !== null;
  if (backwards && (args.first ?? null) !== null) throw invalidSize('last', 'Set first or last, not both.');
  const size = backwards ? parseSize('last', args.last) : parseSize('first', args.first);

  // The consumed positions are read before the rows. After the page, the gateway reads the topic from these positions
  // on. So the gateway misses no voucher. A voucher that is stored between the two reads reaches the gateway twice: in
  // the page, and from the topic. The voucher's id shows that it is a duplicate.
  const storedThrough = await database.query.select().from(consumedPosition);
  const after = await findFeedNumber(database, phoneNumber, args.after, 'after');
  const before = await findFeedNumber(database, phoneNumber, args.before, 'before');
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
  /** Whether any voucher that matches the filter fulfils the condition. */
  const hasAny = async (condition: SQL) => {
    const [row] = await database.query
      .select({ id: voucher.id })
      .from(voucher)
      .where(and(eq(voucher.phoneNumber, phoneNumber), ...filter, condition))
      .limit(1);
    return row !== undefined;
  };
  const hasLater = before === null ? false : await hasAny(gte(voucher.feedNumber, before));
  const hasEarlier = after === null || after === 0 ? false : await hasAny(lt(voucher.feedNumber, after + 1));
  return {
    rows,
    hasNextPage: backwards ? hasLater : hasMore || hasLater,
    hasPreviousPage: backwards ? hasMore || hasEarlier : hasEarlier,
    storedThrough: storedThrough.map(({ topic, partition, position }) => ({
      topic,
      partition,
      position: String(position),
    })),
  };
}

/** Encodes the cursor of a voucher or a request. */
export function cursorOf(row: { id: string }): string {
  return encodeCursor(row.id);
}

/** Returns the feed number of a cursor's voucher, 0 for the start of the feed, and null without a cursor. */
async function findFeedNumber(
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
  if (!isUuid(decoded.id)) throw invalid();
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

/** Returns a page's size. Throws BAD_USER_INPUT if it is out of range. */
export function parseSize(argument: 'first' | 'last', size: number | null | undefined): number {
  if (size === null || size === undefined) return defaultSize;
  if (size < 0 || size > maxSize) throw invalidSize(argument, `${argument} is a number from 0 to ${maxSize}.`);
  return size;
}

function invalidSize(argument: string, message: string): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('BAD_USER_INPUT', message, { details: { argument } });
}
