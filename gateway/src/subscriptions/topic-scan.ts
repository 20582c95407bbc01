import { createCoalesced } from '@voucher-gateway/platform/coalesced';
import type { Message, Positions, Topics } from '@voucher-gateway/platform/topics';
import { bytesOf } from './message-buffer.ts';
import { anyTopic, mapPartitions, type Slice, type TopicMessage, type Value } from './recent-messages.ts';
import { sliceBytes } from './slice.ts';

/** What a topic holds, for those who come from further back than the window reaches. */
export interface TopicScan {
  /**
   * The first messages behind these positions whose `match` field equals `key`, in order, up to now; null where the topic
   * no longer has them all. Those who come while it is being read share the next reading: a store that
   * lags is no reason to read the topic once for each of thousands who reconnect.
   */
  read(from: Positions, match: string, key: string): Promise<Slice | null>;
}

export interface TopicScanOptions {
  topics: Topics;
  topic: string;
  /** Bytes of messages that one reading collects for all who share it. */
  maxBytes: number;
}

/** One who waits for a reading, with what it collects: no more than a slice. */
class Reader {
  readonly from: Positions;
  readonly match: string;
  readonly key: string;
  readonly messages: TopicMessage[] = [];
  /** Where it stopped; null while there is room. */
  stoppedAt: Positions | null = null;
  #bytes = 0;

  constructor(from: Positions, match: string, key: string) {
    this.from = from;
    this.match = match;
    this.key = key;
  }

  /** Takes the message, or stops before it; returns the bytes taken. */
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

  /** @param seen where the reading is, by partition: it began before some readers' positions */
  stop(seen: Positions): void {
    const { from } = this;
    this.stoppedAt ??= {
      ...from,
      ...mapPartitions(seen, (position, partition) => Math.max(position, from[partition] ?? 0)),
    };
  }
}

interface ScanResult {
  /** By partition, where it ended. */
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

  const read = async (from: Positions, match: string, key: string): Promise<Slice | null> => {
    const reader = new Reader(from, match, key);
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

/** Makes the function that gives readers their messages, until these are too many bytes for all of them together. */
function createCollector(readers: readonly Reader[], maxBytes: number) {
  const index = [...Map.groupBy(readers, ({ match }) => match)].map(([match, ofMatch]) => ({
    match,
    byKey: Map.groupBy<unknown, Reader>(ofMatch, ({ key }) => key),
  }));
  let bytes = 0;
  return (message: Message<Value>, seen: Positions): void => {
    if (bytes > maxBytes) return;
    for (const { match, byKey } of index)
      for (const reader of byKey.get(message.value[match]) ?? []) bytes += reader.take(message, seen);
    if (bytes > maxBytes) for (const reader of readers) reader.stop({ ...seen, [message.partition]: message.position });
  };
}

/** The positions behind which all of them read: a partition that one of them does not name is read from its beginning. */
function earliest(readers: readonly Reader[]): Positions {
  const [first, ...others] = readers.map(({ from }) => from);
  return mapPartitions(first ?? {}, (position, partition) =>
    Math.min(position, ...others.map((from) => from[partition] ?? 0)),
  );
}
