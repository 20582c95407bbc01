import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { GraphQLError } from 'graphql';
import type { RootFieldResult } from './execute-event.ts';
import type { TopicSubscription } from './plan-subscription.ts';
import { idOf, type TopicMessage, type Value } from './recent-messages.ts';
import type { ReadStoredPage } from './stored-page.ts';

/** A message as the root field's value: itself, or an edge around it. */
export function toRootFieldResult({ topicField }: TopicSubscription, message: TopicMessage): RootFieldResult {
  const id = idOf(message);
  const cursor = id !== null && topicField.replay ? encodeCursor(id) : null;
  if (!topicField.isEdge) return { value: message.value, cursor };
  return { value: { ...(id !== null && { cursor: encodeCursor(id) }), node: message.value }, cursor };
}

/** Whether a value is the subscriber's own and equals each argument given. The claim is what guards it. */
export function matchesSubscriber(planned: TopicSubscription, key: string, value: Value): boolean {
  if (value[planned.topicField.match] !== key) return false;
  return planned.compared.every(
    ([name, given]) =>
      value[name] === given || ((value[name] ?? null) !== null && String(value[name]) === String(given)),
  );
}

/** Whether the message may be an older one's repeat, published again by its owner. */
export function isRepublished({ headers }: TopicMessage): boolean {
  return headers.repeat === 'true';
}

/** Whether the store knows the message, whatever is behind it. */
async function isStored(readStoredPage: ReadStoredPage, id: string): Promise<boolean> {
  return (await readStoredPage(encodeCursor(id), 1).catch(nullIfUnknownCursor)) !== null;
}

/** Whether the feed has the message at the cursor or ahead of it: stored, and not behind it. */
export async function isStoredAtOrBefore(
  readStoredPage: ReadStoredPage,
  id: string,
  cursor: string | null,
): Promise<boolean> {
  if (!(await isStored(readStoredPage, id))) return false;
  // Asked second: what is stored behind the cursor meanwhile is among these.
  for (let after = cursor; after !== null; ) {
    const page = await readStoredPage(after).catch(nullIfUnknownCursor);
    if (page?.edges.some((edge) => edge.id === id)) return false;
    after = page?.hasNextPage ? page.endCursor : null;
  }
  return true;
}

/** Null for the error of a cursor that the store does not know; throws any other. */
export function nullIfUnknownCursor(error: unknown): null {
  if (error instanceof GraphQLError && error.extensions.code === 'CURSOR_INVALID') return null;
  throw error;
}
