/**
 * What of a text is handed to a connection on which so many bytes wait for their reader; null where the reader is too
 * slow to be sent it. One that is larger than all that may wait is sent where nothing waits.
 */
export function toSend(text: string, bufferedBytes: number, maxBufferedBytes: number): string | Buffer | null {
  if (bufferedBytes === 0) return text;
  // Of a text that has to wait Node would hold the string beside its bytes.
  const bytes = Buffer.from(text);
  return bufferedBytes + bytes.length <= maxBufferedBytes ? bytes : null;
}
