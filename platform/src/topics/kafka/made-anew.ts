import type { Consumer } from 'kafkajs';
import type { RawMessage } from '../handle.ts';

/** Where a reader stands in a partition. */
export interface Place {
  /** Position of the last message that it has read. */
  position: number;
  /** When that one was published; undefined where it is not known. */
  publishedAt: number | undefined;
}

/**
 * Whether messages just read, of a partition that ends there, are of another topic than those before: one of the same
 * name that was made anew. It ends ahead of where the reader stands, or has another message there.
 */
export function isMadeAnew({ position, publishedAt }: Place, messages: readonly RawMessage[], end: number): boolean {
  if (end < position) return true;
  const there = messages.find((message) => message.position === position);
  return there !== undefined && publishedAt !== undefined && there.publishedAt !== publishedAt;
}

/** Has the last message of a partition read once more, to see whether it is still the same. */
export function readLastAgain(consumer: Consumer, topic: string, partition: number, position: number): void {
  consumer.seek({ topic, partition, offset: String(Math.max(0, position - 1)) });
}
