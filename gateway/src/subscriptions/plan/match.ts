import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { idOf, type TopicMessage, type Value } from '../topic/message.ts';
import type { RootFieldResult } from './execute-event.ts';
import type { TopicSubscription } from './plan-subscription.ts';

/** The root field's result for a message: its value, or an edge with the value as `node`. */
export function toRootFieldResult({ topicField }: TopicSubscription, message: TopicMessage): RootFieldResult {
  const id = idOf(message);
  const cursor = id !== null && topicField.replay ? encodeCursor(id) : null;
  if (!topicField.isEdge) return { value: message.value, cursor };
  return { value: { ...(id !== null && { cursor: encodeCursor(id) }), node: message.value }, cursor };
}

/** Whether a value has the subscriber's claim, which authorises it, and equals each argument that is set. */
export function matchesSubscriber(planned: TopicSubscription, claimValue: string, value: Value): boolean {
  if (value[planned.topicField.match] !== claimValue) return false;
  return planned.compared.every(
    ([name, expected]) =>
      value[name] === expected || ((value[name] ?? null) !== null && textOf(value[name]) === textOf(expected)),
  );
}

/** A value as text; null if it has none, such as `{"toString": 1}` in a foreign message. */
function textOf(value: unknown): string | null {
  try {
    return String(value);
  } catch {
    return null;
  }
}

/** Whether the owner of the topic has republished an older message, which may therefore be a duplicate. */
export function isRepublished({ headers }: TopicMessage): boolean {
  return headers.repeat === 'true';
}
