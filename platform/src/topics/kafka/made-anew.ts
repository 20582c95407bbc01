import type { Consumer } from 'kafkajs';
import { isAnother, type Place } from '../../topics.ts';
import type { RawMessage } from '../handle.ts';

/**
 * Whether messages just read, of a partition that ends there, are of another topic than those before: one of the same
 * name that was made anew. It ends ahead of where the reader stands, or has another message there.
 */
export function isMadeAnew(last: Place, messages: readonly RawMessage[], end: number): boolean {
  return end < last.position || messages.some((message) => isAnother(last, message));
}

/** Has the last message of a partition read once more, to see whether it is still the same. */
export function readLastAgain(consumer: Consumer, topic: string, partition: number, position: number): void {
  consumer.seek({ topic, partition, offset: String(Math.max(0, position - 1)) });
}
