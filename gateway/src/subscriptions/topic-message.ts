import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { GraphQLError } from 'graphql';
import type { PrimaryAnswer } from './execute-event.ts';
import type { TopicSubscription } from './prepare.ts';
import { idOf, type TopicMessage, type Value } from './recent-messages.ts';
import type { ReadPage } from './replay.ts';

/** A message as the root field's value: itself, or an edge around it. */
export function answerOf({ topicField }: TopicSubscription, message: TopicMessage): PrimaryAnswer {
  const id = idOf(message);
  const cursor = id !== null && topicField.replay ? encodeCursor(id) : null;
  if (!topicField.isEdge) return { value: message.value, cursor };
  return { value: { ...(id !== null && { cursor: encodeCursor(id) }), node: message.value }, cursor };
}

/** Whether a value is the subscriber's own and equals each argument given. The claim is what guards it. */
export function isFor(prepared: TopicSubscription, key: string, value: Value): boolean {
  if (value[prepared.topicField.match] !== key) return false;
  return prepared.compared.every(
    ([name, given]) =>
      value[name] === given || ((value[name] ?? null) !== null && String(value[name]) === String(given)),
  );
}

/** Whether the message may be an older one's repeat, published again by its owner. */
export function isRepeat({ headers }: TopicMessage): boolean {
  return headers.repeat === 'true';
}

/** Whether the store knows the message, whatever is behind it. */
async function isStored(readPage: ReadPage, id: string): Promise<boolean> {
  return (await readPage(encodeCursor(id), 1).catch(ifUnknown)) !== null;
}

/** Whether the feed has the message at the cursor or ahead of it: stored, and not behind it. */
export async function isBefore(readPage: ReadPage, id: string, cursor: string | null): Promise<boolean> {
  if (!(await isStored(readPage, id))) return false;
  // Asked second: what is stored behind the cursor meanwhile is among these.
  for (let after = cursor; after !== null; ) {
    const page = await readPage(after).catch(ifUnknown);
    if (page?.edges.some((edge) => edge.id === id)) return false;
    after = page?.hasNextPage ? page.endCursor : null;
  }
  return true;
}

/** Null for the error of a cursor that the store does not know; throws any other. */
export function ifUnknown(error: unknown): null {
  if (error instanceof GraphQLError && error.extensions.code === 'CURSOR_INVALID') return null;
  throw error;
}
