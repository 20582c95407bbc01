import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { GraphQLError } from 'graphql';
import type { RootFieldResult } from './execute-event.ts';
import type { TopicSubscription } from './plan-subscription.ts';
import { idOf, type TopicMessage, type Value } from './recent-messages.ts';
import type { ReadStoredPage } from './stored-page.ts';

/** The root field's result for a message: its value, or an edge with the value as `node`. */
export function toRootFieldResult({ topicField }: TopicSubscription, message: TopicMessage): RootFieldResult {
  const id = idOf(message);
  const cursor = id !== null && topicField.replay ? encodeCursor(id) : null;
  if (!topicField.isEdge) return { value: message.value, cursor };
  return { value: { ...(id !== null && { cursor: encodeCursor(id) }), node: message.value }, cursor };
}

/** Whether a value has the subscriber's claim, which authorises it, and equals each argument that is set. */
export function matchesSubscriber(planned: TopicSubscription, key: string, value: Value): boolean {
  if (value[planned.topicField.match] !== key) return false;
  return planned.compared.every(
    ([name, expected]) =>
      value[name] === expected || ((value[name] ?? null) !== null && String(value[name]) === String(expected)),
  );
}

/** Whether the owner of the topic has republished an older message, which may therefore be a duplicate. */
export function isRepublished({ headers }: TopicMessage): boolean {
  return headers.repeat === 'true';
}

/** Whether the store has the message. */
async function isStored(readStoredPage: ReadStoredPage, id: string): Promise<boolean> {
  return (await readStoredPage(encodeCursor(id), 1).catch(nullIfUnknownCursor)) !== null;
}

/** Whether the message is stored at or before the cursor: it is stored, and is not among the rows after the cursor. */
export async function isStoredAtOrBefore(
  readStoredPage: ReadStoredPage,
  id: string,
  cursor: string | null,
): Promise<boolean> {
  if (!(await isStored(readStoredPage, id))) return false;
  // Read second, so that a row that is stored meanwhile is among these.
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
