import { createCoalesced } from '@voucher-gateway/platform/async/coalesce';
import type { Message, Positions, Topics } from '@voucher-gateway/platform/topics';
import { anyTopic, bytesOf, mapPartitions, type Slice, type TopicMessage, type Value } from './message.ts';
import { sliceBytes } from './slice.ts';

/** Reads a topic for subscribers that resume from a position before the recent messages. */
export interface TopicScan {
  /**
   * Returns the first messages after these positions whose `match` field equals `claimValue`, in order; null if
   * retention has removed messages after the positions. Calls that arrive during a scan wait for its end, and then
   * share one scan. So thousands of reconnecting clients cause only a few scans.
   */
  read(from: Positions, match: string, claimValue: string): Promise<Slice | null>;
}

export interface TopicScanOptions {
  topics: Topics;
  topic: string;
  /** Limit of the bytes of messages that one scan collects for all its readers. */
  maxBytes: number;
}

/** One call of `read`. A scan collects at most one slice for each call. */
class Reader {
  readonly from: Positions;
  readonly match: string;
  readonly claimValue: string;
  readonly messages: TopicMessage[] = [];
  /** If the slice is full, the positions up to which the slice has all messages. Null if the slice still has room. */
  stoppedAt: Positions | null = null;
  #bytes = 0;

  constructor(from: Positions, match: string, claimValue: string) {
    this.from = from;
    this.match = match;
    this.claimValue = claimValue;
  }

  /** Adds the message, or stops the reader if its slice has no room. Returns the added bytes. */
  take(message: TopicMessage, seen: Positions): number {
    if (this.stoppedAt || message.position <= (this.from[message.partition] ?? 0)) return 0;
    const bytes = bytesOf(message);
    if (this.messages.length > 0 && this.#bytes + bytes > sliceBytes) {
      this.stop(seen);
      return 0;
    }
    this.messages.push(message);
    this.#bytes += bytes;
    return bytes;
  }

  /**
   * @param seen the positions up to which the scan has read; a position may be before `from`, where the reader starts
   */
  stop(seen: Positions): void {
    const { from } = this;
    this.stoppedAt ??= {
      ...from,
      ...mapPartitions(seen, (position, partition) => Math.max(position, from[partition] ?? 0)),
    };
  }
}

interface ScanResult {
  /** For each partition, the position at which the scan ended. */
  through: Positions;
  coversAfter: Positions;
}

export function createTopicScan({ topics, topic, maxBytes }: TopicScanOptions): TopicScan {
  let waiting: Reader[] = [];
  const scanForAll = createCoalesced(async (): Promise<ScanResult> => {
    const readers = waiting;
    waiting = [];
    const collect = createCollector(readers, maxBytes);
    const last: Record<number, number> = {};
    await using tail = await topics.tail({
      topic: anyTopic(topic),
      from: { after: earliest(readers) },
      onMessage(message) {
        collect(message, last);
        last[message.partition] = message.position;
      },
    });
    return { through: tail.startedAt, coversAfter: tail.coversAfter };
  });

  const read = async (from: Positions, match: string, claimValue: string): Promise<Slice | null> => {
    const reader = new Reader(from, match, claimValue);
    waiting.push(reader);
    const { through, coversAfter } = await scanForAll();
    const hasAll = Object.entries(coversAfter).every(
      ([partition, position]) => position <= (from[Number(partition)] ?? 0),
    );
    if (!hasAll) return null;
    const { messages, stoppedAt } = reader;
    return { messages, through: stoppedAt ?? { ...from, ...through }, isWhole: stoppedAt === null };
  };
  return { read };
}

/**
 * Creates the function that adds each message to the slices of the readers that want the message. The function stops
 * adding when all slices together have exceeded `maxBytes`.
 */
function createCollector(readers: readonly Reader[], maxBytes: number) {
  const index = [...Map.groupBy(readers, ({ match }) => match)].map(([match, ofMatch]) => ({
    match,
    byClaimValue: Map.groupBy<unknown, Reader>(ofMatch, ({ claimValue }) => claimValue),
  }));
  let bytes = 0;
  return (message: Message<Value>, seen: Positions): void => {
    if (bytes > maxBytes) return;
    for (const { match, byClaimValue } of index)
      for (const reader of byClaimValue.get(message.value[match]) ?? []) bytes += reader.take(message, seen);
    if (bytes > maxBytes) for (const reader of readers) reader.stop({ ...seen, [message.partition]: message.position });
  };
}

/**
 * Returns the earliest position per partition. If a reader has no position for a partition, the partition is read from
 * its beginning.
 */
function earliest(readers: readonly Reader[]): Positions {
  const [first, ...others] = readers.map(({ from }) => from);
  return mapPartitions(first ?? {}, (position, partition) =>
    Math.min(position, ...others.map((from) => from[partition] ?? 0)),
  );
}
