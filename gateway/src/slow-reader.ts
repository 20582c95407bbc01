/** Characters of a text that is written as it is where nothing waits. */
const shortText = 4_096;

/**
 * What of a text is handed to a connection on which so many bytes wait for their reader; null where the reader is too
 * slow to be sent it. One that is larger than all that may wait is sent where nothing waits.
 */
export function toSend(text: string, bufferedBytes: number, maxBufferedBytes: number): string | Buffer | null {
  if (bufferedBytes === 0 && text.length <= shortText) return text;
  // Of a text that can't be written at once Node would hold the string, and three bytes a character beside it.
  const bytes = Buffer.from(text);
  return bufferedBytes === 0 || bufferedBytes + bytes.length <= maxBufferedBytes ? bytes : null;
}
