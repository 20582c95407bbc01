/**
 * The one cursor that pages a connection and resumes a topic-fed subscription. It names a message by
 * its `id`, not a place or a time; the start of a feed has a cursor, too. It is opaque to clients.
 *
 * A subgraph whose connection a `@topic(replay:)` names makes its cursors with this function, so that
 * the gateway can give an event the cursor that the connection would.
 */
const prefix = 'v1:';

/** The cursor of a message; of the start of the feed where `id` is null. */
export function encodeCursor(id: string | null): string {
  return Buffer.from(prefix + (id ?? ''), 'utf8').toString('base64url');
}

/** `{id}`, with a null id for the start of the feed; null for a text that is no cursor of ours. */
export function decodeCursor(cursor: string): { id: string | null } | null {
  if (!/^[\w-]{1,256}$/.test(cursor)) return null;
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!text.startsWith(prefix) || encodeCursor(text.slice(prefix.length)) !== cursor) return null;
  const id = text.slice(prefix.length);
  // Ids are visible ASCII; a database would choke on some of the rest.
  return /^[!-~]*$/.test(id) ? { id: id || null } : null;
}
