import type { Positions } from '@voucher-gateway/platform/topics';
import { bytesOf, type Slice, type TopicMessage } from './message.ts';

/**
 * Largest slice for one subscriber, in bytes. The slice stays in memory until the subscriber, perhaps a slow consumer,
 * has read it.
 */
export const sliceBytes = 1_048_576;

/**
 * Cuts a slice to the first messages that fit into `maxBytes`, but keeps at least one message. In a partition with
 * messages beyond the cut, `through` becomes the position of the last kept message.
 *
 * @param from the positions after which the slice starts
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
