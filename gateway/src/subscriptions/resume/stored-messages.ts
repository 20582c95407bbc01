import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { GraphQLError } from 'graphql';
import type { ReadStoredPage } from './stored-page.ts';

/** Whether the store has the message. */
async function isStored(readStoredPage: ReadStoredPage, id: string): Promise<boolean> {
  return (await readStoredPage(encodeCursor(id), 1).catch(nullIfUnknownCursor)) !== null;
}

/** True if the store has the message, and the message is not among the rows after the cursor. */
export async function isStoredAtOrBefore(
  readStoredPage: ReadStoredPage,
  id: string,
  cursor: string | null,
): Promise<boolean> {
  if (!(await isStored(readStoredPage, id))) return false;
  // The rows after the cursor are read after `isStored`. So a row that is stored between the two reads is among these
  // rows.
  for (let after = cursor; after !== null; ) {
    const page = await readStoredPage(after).catch(nullIfUnknownCursor);
    if (page?.edges.some((edge) => edge.id === id)) return false;
    after = page?.hasNextPage ? page.endCursor : null;
  }
  return true;
}

/** Returns null for the error of a cursor that the store does not know; rethrows any other error. */
export function nullIfUnknownCursor(error: unknown): null {
  if (error instanceof GraphQLError && error.extensions.code === 'CURSOR_INVALID') return null;
  throw error;
}
