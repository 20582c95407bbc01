import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';

/** While the buffer is empty, texts up to this length are written as strings. */
const shortText = 4_096;

/**
 * Encodes a text for writing. Returns null if the text would exceed the limit of the connection's buffer. While the
 * buffer is empty, a text of any size is allowed.
 */
export function encodeWithinLimit(
  text: string,
  bufferedBytes: number,
  maxBufferedBytes: number,
): string | Buffer | null {
  if (bufferedBytes === 0 && text.length <= shortText) return text;
  // If Node can't write a string immediately, it keeps the string and three more bytes per character. A Buffer takes
  // less memory.
  const bytes = Buffer.from(text);
  return bufferedBytes === 0 || bufferedBytes + bytes.length <= maxBufferedBytes ? bytes : null;
}

/**
 * Returns the size of a text that alone exceeds the buffer limit; 0 for any other text. The caller adds this size to
 * the limit while the text is buffered. So short later messages, such as the operation's `complete`, still fit.
 */
export function oversizedBytes(encoded: string | Buffer, maxBufferedBytes: number): number {
  return encoded.length > maxBufferedBytes ? encoded.length : 0;
}

/** A connection with buffered bytes that its client has not read yet. */
export interface SlowConsumer {
  /** Ends the connection, so that its buffer is released. */
  drop(): void;
}

/** Limits the total of buffered bytes over all connections of this process. */
export interface SendBudget {
  /** Buffered bytes of all connections, as last recorded by `note`. */
  readonly waitingBytes: number;
  /**
   * Records a connection's buffered bytes. While the total exceeds the budget, `drop` is called for the connection with
   * the most buffered bytes.
   */
  note(consumer: SlowConsumer, waitingBytes: number): void;
}

export function createSendBudget(maxBytes: number, log: Log): SendBudget {
  const waiting = new Map<SlowConsumer, number>();
  const lines = createRepeatedLines(log);
  let total = 0;
  const note = (consumer: SlowConsumer, bytes: number) => {
    total += bytes - (waiting.get(consumer) ?? 0);
    if (bytes === 0) waiting.delete(consumer);
    else waiting.set(consumer, bytes);
  };
  const dropLargest = () => {
    let largest: SlowConsumer | null = null;
    for (const [consumer, bytes] of waiting)
      if (largest === null || bytes > (waiting.get(largest) ?? 0)) largest = consumer;
    if (largest === null) return;
    lines.warn(
      'dropped',
      { waitingBytes: total, maxBytes, connections: waiting.size, ofThisOne: waiting.get(largest) },
      'slow consumers exceed the send budget: the one with the most buffered bytes is dropped',
    );
    note(largest, 0);
    largest.drop();
  };
  return {
    get waitingBytes() {
      return total;
    },
    note(consumer, bytes) {
      note(consumer, bytes);
      while (total > maxBytes) dropLargest();
    },
  };
}
