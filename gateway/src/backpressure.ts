import type { Log } from '@voucher-gateway/platform/log';
import { createRepeatedLines } from '@voucher-gateway/platform/repeated-lines';

/** Characters of a text that is written as it is where nothing waits. */
const shortText = 4_096;

/**
 * What of a text is handed to a connection on which so many bytes wait for their client; null where the client is too
 * slow to be sent it. One that is larger than all that may wait is sent where nothing waits.
 */
export function encodeWithin(text: string, bufferedBytes: number, maxBufferedBytes: number): string | Buffer | null {
  if (bufferedBytes === 0 && text.length <= shortText) return text;
  // Of a text that can't be written at once Node would hold the string, and three bytes a character beside it.
  const bytes = Buffer.from(text);
  return bufferedBytes === 0 || bufferedBytes + bytes.length <= maxBufferedBytes ? bytes : null;
}

/**
 * Bytes of a text larger than all that may wait, else 0. They don't count against what follows it, such as its own
 * `complete`, as long as anything waits.
 */
export function oversizedBytes(encoded: string | Buffer, maxBufferedBytes: number): number {
  return encoded.length > maxBufferedBytes ? encoded.length : 0;
}

/** A connection whose client has yet to read what it was sent. */
export interface SlowConsumer {
  /** Ends the connection, so that what waits for it is released. */
  drop(): void;
}

/** Bounds what waits in this process for clients to read it, over all connections. */
export interface SendBudget {
  /** Bytes that wait, as far as they were noted. */
  readonly waitingBytes: number;
  /** Notes how many bytes wait for a client now, 0 for none. Over the budget those with the most are dropped. */
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
      'too much waits for slow consumers: the one with the most is dropped',
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
