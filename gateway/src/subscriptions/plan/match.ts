import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { idOf, type TopicMessage, type Value } from '../topic/message.ts';
import type { RootFieldResult } from './execute-event.ts';
import type { TopicSubscription } from './plan-subscription.ts';

/** Converts a message to the root field's result: the message's value, or an edge with the value as `node`. */
export function toRootFieldResult({ topicField }: TopicSubscription, message: TopicMessage): RootFieldResult {
  const id = idOf(message);
  const cursor = id !== null && topicField.replay ? encodeCursor(id) : null;
  if (!topicField.isEdge) return { value: message.value, cursor };
  return { value: { ...(id !== null && { cursor: encodeCursor(id) }), node: message.value }, cursor };
}

/**
 * Whether a message is for this subscriber. The field named by `@topic(match:)` must equal the subscriber's claim: this
 * is the authorisation. If the client sets an argument, such as `parcel: "p1"`, the message's field `parcel` must have
 * this value.
 */
export function matchesSubscriber(planned: TopicSubscription, claimValue: string, value: Value): boolean {
  if (value[planned.topicField.match] !== claimValue) return false;
  return planned.compared.every(
    ([name, expected]) =>
      value[name] === expected || ((value[name] ?? null) !== null && textOf(value[name]) === textOf(expected)),
  );
}

/**
 * Converts a value to text. Returns null if the conversion throws, as for `{"toString": 1}` in a message of a foreign
 * producer.
 */
function textOf(value: unknown): string | null {
  try {
    return String(value);
  } catch {
    return null;
  }
}

/** Whether the producer has marked the message as republished. Such a message may be a duplicate. */
export function isRepublished({ headers }: TopicMessage): boolean {
  return headers.repeat === 'true';
}
