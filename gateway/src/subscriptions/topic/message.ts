import type { Message, Positions, Topic } from '@voucher-gateway/platform/topics';
import { isCursorId } from '@voucher-gateway/schema/cursor';
import { z } from 'zod';

/** A message's value, whose schema the gateway does not know. */
export type Value = Record<string, unknown>;
export type TopicMessage = Message<Value>;

/** A topic that is known by name only, from its directive. */
export function anyTopic(name: string): Topic<Value> {
  return { name, schema: z.record(z.string(), z.unknown()), key: () => '' };
}

/** Matching messages in order: all that there are through the positions `through`. */
export interface Slice {
  messages: TopicMessage[];
  through: Positions;
  /** False if more messages follow after `through`, which did not fit. */
  isWhole: boolean;
}

/** Maps the values of a record by partition. */
export function mapPartitions<From, To>(
  record: Readonly<Record<number, From>>,
  map: (value: From, partition: number) => To,
): Record<number, To> {
  return Object.fromEntries(
    Object.entries(record).map(([partition, value]) => [partition, map(value, Number(partition))]),
  );
}

/**
 * A message's id, which identifies it in cursors and among duplicates; null for a topic whose values have none, and for an
 * id that no cursor can contain: a foreign message may have any text there.
 */
export function idOf({ value: { id } }: TopicMessage): string | null {
  return typeof id === 'string' && isCursorId(id) ? id : null;
}

/** Approximate memory of a message, as measured: 400 bytes for its objects, and 2 per character of its text. */
export function bytesOf({ textLength }: TopicMessage): number {
  return 400 + 2 * textLength;
}
