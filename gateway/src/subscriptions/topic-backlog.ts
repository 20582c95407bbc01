import { createCoalesced } from '@voucher-gateway/platform/coalesced';
import type { Message, Place, Places, Positions, Topics } from '@voucher-gateway/platform/topics';
import { bytesOf } from './held-messages.ts';
import { PublishTimes } from './publish-times.ts';
import { sliceBytes } from './slice.ts';
import { anyTopic, mapPartitions, type Stretch, type TopicMessage, type Value } from './topic-window.ts';

/** What a topic holds, for those who come from further back than the window reaches. */
export interface TopicBacklog {
  /**
   * The first messages behind these places whose `match` field equals `key`, in order, up to now; null where the topic
   * no longer has them all. A place where the topic has another message is of one that was recreated since: its
   * partition is read from the beginning. Those who come while it is being read share the next reading: a store that
   * lags is no reason to read the topic once for each of thousands who reconnect.
   */
  read(from: Places, match: string, key: string): Promise<Stretch | null>;
}

export interface TopicBacklogOptions {
  topics: Topics;
  topic: string;
  /** Bytes of messages that one reading collects for all who share it. */
  maxBytes: number;
}

const beginning: Place = { position: 0 };

/** One who waits for a reading, with what it collects: no more than a slice. */
class Reader {
  readonly from: Places;
  readonly match: string;
  readonly key: string;
  readonly messages: TopicMessage[] = [];
  /** Where it stopped; null while there is room. */
  stoppedAt: Places | null = null;
  #bytes = 0;

  constructor(from: Places, match: string, key: string) {
    this.from = from;
    this.match = match;
    this.key = key;
  }

  /** Takes the message, or stops before it; returns the bytes taken. */
  take(message: TopicMessage, seen: Places): number {
    if (this.stoppedAt || message.position <= (this.from[message.partition]?.position ?? 0)) return 0;
    const bytes = bytesOf(message);
    if (this.messages.length > 0 && this.#bytes + bytes > sliceBytes) {
      this.stop(seen);
      return 0;
    }
    this.messages.push(message);
    this.#bytes += bytes;
    return bytes;
  }

  /** @param seen where the reading is, by partition: it began before some readers' places */
  stop(seen: Places): void {
    const { from } = this;
    this.stoppedAt ??= {
      ...from,
      ...mapPartitions(seen, (place, partition) =>
        place.position > (from[partition]?.position ?? 0) ? place : (from[partition] ?? beginning),
      ),
    };
  }
}

interface Reading {
  /** By partition, where it ended. */
  through: Places;
  coversAfter: Positions;
  /** Of the messages where readers stand, as far as the topic still has them. */
  times: PublishTimes;
}

export function createTopicBacklog({ topics, topic, maxBytes }: TopicBacklogOptions): TopicBacklog {
  let waiting: Reader[] = [];
  const readForAll = createCoalesced(async (): Promise<Reading> => {
    const readers = waiting;
    waiting = [];
    const collect = createCollector(readers, maxBytes);
    const times = new PublishTimes();
    const placeName = (partition: number | string, position: number) => `${partition}/${position}`;
    const places = new Set(
      readers.flatMap(({ from }) =>
        Object.entries(from).map(([partition, { position }]) => placeName(partition, position)),
      ),
    );
    const last: Record<number, Place> = {};
    await using tail = await topics.tail({
      topic: anyTopic(topic),
      // One message sooner than where they stand, to see that it is still the same.
      from: { after: mapPartitions(earliest(readers), (position) => Math.max(0, position - 1)) },
      onMessage(message) {
        const { partition, position, publishedAt } = message;
        if (places.has(placeName(partition, position))) times.add(message);
        collect(message, last);
        last[partition] = { position, publishedAt };
      },
    });
    return {
      through: mapPartitions(tail.startedAt, (position, partition) =>
        last[partition]?.position === position ? last[partition] : { position },
      ),
      coversAfter: tail.coversAfter,
      times,
    };
  });

  const read = async (from: Places, match: string, key: string): Promise<Stretch | null> => {
    const reader = new Reader(from, match, key);
    waiting.push(reader);
    const { through, coversAfter, times } = await readForAll();
    const inTopic = mapPartitions(from, (place, partition) =>
      times.contradicts(partition, place) ? beginning : place,
    );
    if (Object.values(inTopic).includes(beginning)) return read(inTopic, match, key);
    const hasAll = Object.entries(coversAfter).every(
      ([partition, position]) => position <= (from[Number(partition)]?.position ?? 0),
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
  return (message: Message<Value>, seen: Places): void => {
    if (bytes > maxBytes) return;
    for (const { match, byKey } of index)
      for (const reader of byKey.get(message.value[match]) ?? []) bytes += reader.take(message, seen);
    if (bytes > maxBytes)
      for (const reader of readers)
        reader.stop({ ...seen, [message.partition]: { position: message.position, publishedAt: message.publishedAt } });
  };
}

/** The positions behind which all of them read: a partition that one of them does not name is read from its beginning. */
function earliest(readers: readonly Reader[]): Positions {
  const [first, ...others] = readers.map(({ from }) => from);
  return mapPartitions(first ?? {}, ({ position }, partition) =>
    Math.min(position, ...others.map((from) => from[partition]?.position ?? 0)),
  );
}
