import type { RawMessage } from './handle.ts';
import { maxValueBytes } from './wire.ts';

/** Of a stranger's message; together they leave room for our own headers below a broker's limit of 1 MiB. */
const maxKeyBytes = 10_000;
const maxHeaderBytes = 1_000;
const maxHeadersBytes = 32_000;
const maxMessageBytes = 2_000;

/** A message as dead-letter takes it. */
export interface BuriedMessage {
  key: string;
  value: string;
  headers: Record<string, string>;
}

/**
 * What of a message that can't be handled is stored in dead-letter: all of it, where it is no larger than what our own
 * publishers may send; else its beginning, and `dead-letter-cut` says how many bytes its value had. One that is too
 * large to be buried would hold up its partition for ever.
 *
 * @param about headers of our own, which say why and from where
 */
export function fitDeadLetter({ key, value, headers }: RawMessage, about: Record<string, string>): BuriedMessage {
  const kept: Record<string, string> = {};
  let left = maxHeadersBytes;
  for (const [name, text] of Object.entries(headers)) {
    const bytes = Buffer.byteLength(name) + Buffer.byteLength(text);
    if (bytes > maxHeaderBytes || bytes > left) continue;
    left -= bytes;
    kept[name] = text;
  }
  // Bytes that are no UTF-8 are three each by now.
  const valueBytes = Buffer.byteLength(value);
  const cut: Record<string, string> = valueBytes > maxValueBytes ? { 'dead-letter-cut': String(valueBytes) } : {};
  const own = Object.fromEntries(
    Object.entries(about).map(([name, text]) => [name, beginningOf(text, maxMessageBytes)]),
  );
  return {
    key: beginningOf(key, maxKeyBytes),
    value: beginningOf(value, maxValueBytes),
    headers: { ...kept, ...own, ...cut },
  };
}

/** So much of a text as fits into so many bytes of UTF-8, its last character whole. */
function beginningOf(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}
