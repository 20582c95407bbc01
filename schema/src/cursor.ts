/**
 * The cursor of Relay connections and of subscriptions with `@topic`. A cursor contains the `id` of a message, not an
 * offset or a time. There is also a cursor for the start of a feed. Cursors are opaque to clients.
 *
 * `@topic(replay:)` names a connection of a subgraph. This subgraph must encode its cursors with `encodeCursor`. Then
 * an event has the same cursor in the connection as in the subscription.
 */
const prefix = 'v1:';

/** Whether an id can be in a cursor: it is visible ASCII, and so short that the cursor has at most 256 characters. */
export function isCursorId(id: string): boolean {
  return /^[!-~]{1,189}$/.test(id);
}

/** Encodes the cursor of a message, or of the start of the feed if `id` is null. */
export function encodeCursor(id: string | null): string {
  return Buffer.from(prefix + (id ?? ''), 'utf8').toString('base64url');
}

/** Decodes a cursor to `{id}`, where a null `id` is the start of the feed. Returns null for an invalid cursor. */
export function decodeCursor(cursor: string): { id: string | null } | null {
  if (!/^[\w-]{1,256}$/.test(cursor)) return null;
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!text.startsWith(prefix) || encodeCursor(text.slice(prefix.length)) !== cursor) return null;
  const id = text.slice(prefix.length);
  if (id === '') return { id: null };
  // The id is checked, because characters such as NUL cause errors in the database.
  return isCursorId(id) ? { id } : null;
}
