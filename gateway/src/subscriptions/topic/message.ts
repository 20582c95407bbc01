import type { Message, Positions, Topic } from '@voucher-gateway/platform/topics';
import { isCursorId } from '@voucher-gateway/schema/cursor';
import { z } from 'zod';

/** A message's value, whose schema the gateway does not know. */
export type Value = Record<string, unknown>;
export type TopicMessage = Message<Value>;

/** Describes a topic of which the gateway knows only the name, from `@topic`. */
export function anyTopic(name: string): Topic<Value> {
  return { name, schema: z.record(z.string(), z.unknown()), key: () => '' };
}

/**
 * A part of a topic for one subscriber: all messages with the value of the subscriber's claim, up to the positions
 * `through`, in order.
 */
export interface Slice {
  messages: TopicMessage[];
  through: Positions;
  /** Whether the topic had no more messages for the subscriber. False if the size limit cut the slice. */
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
 * Returns the message's id. Cursors contain the id, and duplicates have the same id. Null if the message has no id, or
 * an id that a cursor can't contain: a foreign producer may write any text.
 */
export function idOf({ value: { id } }: TopicMessage): string | null {
  return typeof id === 'string' && isCursorId(id) ? id : null;
}

/**
 * Estimates the memory of a message. Measurements gave 400 bytes for its objects, and 2 bytes per character of its
 * text.
 */
export function bytesOf({ textLength }: TopicMessage): number {
  return 400 + 2 * textLength;
}
