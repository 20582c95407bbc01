import { maxValueBytes } from './codec.ts';
import type { RawMessage } from './message.ts';

/**
 * Limits in bytes for a dead letter's key, for one copied header, for all copied headers, and for each of our own
 * headers. Other producers may send large keys and headers, but a dead letter must stay below a broker's limit of 1
 * MiB.
 */
const maxKeyBytes = 10_000;
const maxHeaderBytes = 1_000;
const maxHeadersBytes = 32_000;
const maxMessageBytes = 2_000;

/** A message as it is stored in a dead-letter topic. */
export interface BuriedMessage {
  key: string;
  value: string;
  headers: Record<string, string>;
}

/**
 * Shortens a message so that the dead-letter topic accepts it. A message that is too large for that topic would block
 * its partition forever. A value of more than `maxBytes` is cut, and the header `dead-letter-cut` has its original
 * number of bytes.
 *
 * @param about our headers, with the error and the message's origin
 * @param maxBytes limit of the value
 */
export function fitDeadLetter(
  { key, value, headers }: RawMessage,
  about: Record<string, string>,
  maxBytes = maxValueBytes,
): BuriedMessage {
  const kept: Record<string, string> = {};
  let left = maxHeadersBytes;
  for (const [name, text] of Object.entries(headers)) {
    const bytes = Buffer.byteLength(name) + Buffer.byteLength(text);
    if (bytes > maxHeaderBytes || bytes > left) continue;
    left -= bytes;
    kept[name] = text;
  }
  // The value may be larger than in the topic, because invalid UTF-8 was decoded to replacement characters of three
  // bytes each.
  const valueBytes = Buffer.byteLength(value);
  const cut: Record<string, string> = valueBytes > maxBytes ? { 'dead-letter-cut': String(valueBytes) } : {};
  const own = Object.fromEntries(Object.entries(about).map(([name, text]) => [name, truncate(text, maxMessageBytes)]));
  return {
    key: truncate(key, maxKeyBytes),
    value: truncate(value, maxBytes),
    headers: { ...kept, ...own, ...cut },
  };
}

/** Truncates to a number of UTF-8 bytes, at a character boundary. */
function truncate(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}
