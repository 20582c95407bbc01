import type { Positions } from '@voucher-gateway/platform/topics';
import { bytesOf } from './message-buffer.ts';
import type { Slice, TopicMessage } from './recent-messages.ts';

/** What of a feed is taken into memory at once for one subscriber, in bytes: a slow one holds it for as long as it reads. */
export const sliceBytes = 1_048_576;

/**
 * The first of these messages: as many as fit into `maxBytes`, and at least one. Where others are left, it is whole
 * only through the last message taken of their partitions.
 *
 * @param from the positions after which the messages are
 */
export function cutSlice(slice: Slice, from: Positions, maxBytes: number = sliceBytes): Slice {
  const { messages } = slice;
  let bytes = 0;
  const end = messages.findIndex((message, index) => {
    bytes += bytesOf(message);
    return index > 0 && bytes > maxBytes;
  });
  if (end === -1) return slice;
  const through: Record<number, number> = { ...slice.through };
  for (let index = end; index < messages.length; index += 1) {
    const { partition } = messages[index] as TopicMessage;
    through[partition] = from[partition] ?? 0;
  }
  const cut = new Set(messages.slice(end).map(({ partition }) => partition));
  for (let index = 0; index < end; index += 1) {
    const { partition, position } = messages[index] as TopicMessage;
    if (cut.has(partition)) through[partition] = position;
  }
  return { messages: messages.slice(0, end), through, isWhole: false };
}
