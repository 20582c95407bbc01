import { createCoalesced } from '@voucher-gateway/platform/coalesced';
import type { Place, Places, Positions, Topics } from '@voucher-gateway/platform/topics';
import { PublishTimes } from './publish-times.ts';
import { anyTopic, mapPartitions, type Stretch, type TopicMessage } from './topic-window.ts';

/** What a topic holds, for those who come from further back than the window reaches. */
export interface TopicBacklog {
  /**
   * The messages behind these places whose `match` field equals `key`, in order, up to now; null where the topic no
   * longer has them all. A place where the topic has another message is of one that was made anew since: its partition
   * is read from the beginning. Those who come while it is being read share the next reading: a store that lags is no
   * reason to read the topic once for each of thousands who come again.
   */
  read(from: Places, match: string, key: string): Promise<Stretch | null>;
}

const beginning: Place = { position: 0 };

interface Reader {
  from: Places;
  match: string;
  key: string;
  messages: TopicMessage[];
}

interface Reading {
  /** By partition, where it ended. */
  through: Places;
  coversAfter: Positions;
  /** Of the messages where readers stand, as far as the topic still has them. */
  times: PublishTimes;
}

export function createTopicBacklog({ topics, topic }: { topics: Topics; topic: string }): TopicBacklog {
  let waiting: Reader[] = [];
  const readForAll = createCoalesced(async (): Promise<Reading> => {
    const readers = Map.groupBy(waiting, ({ match }) => match);
    const from = earliest(waiting);
    const placeName = (partition: number | string, position: number) => `${partition}/${position}`;
    const places = new Set(
      waiting.flatMap(({ from }) =>
        Object.entries(from).map(([partition, { position }]) => placeName(partition, position)),
      ),
    );
    const times = new PublishTimes();
    waiting = [];
    const index = [...readers].map(([match, ofMatch]) => ({
      match,
      byKey: Map.groupBy<unknown, Reader>(ofMatch, ({ key }) => key),
    }));
    const last: Record<number, Place> = {};
    await using tail = await topics.tail({
      topic: anyTopic(topic),
      // One message sooner than where they stand, to see that it is still the same.
      from: { after: mapPartitions(from, (position) => Math.max(0, position - 1)) },
      onMessage(message) {
        const { partition, position, publishedAt } = message;
        last[partition] = { position, publishedAt };
        if (places.has(placeName(partition, position))) times.add(message);
        for (const { match, byKey } of index)
          for (const reader of byKey.get(message.value[match]) ?? [])
            if (position > (reader.from[partition]?.position ?? 0)) reader.messages.push(message);
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
    const reader: Reader = { from, match, key, messages: [] };
    waiting.push(reader);
    const { through, coversAfter, times } = await readForAll();
    const inTopic = mapPartitions(from, (place, partition) =>
      times.contradicts(partition, place) ? beginning : place,
    );
    if (Object.values(inTopic).includes(beginning)) return read(inTopic, match, key);
    const isWhole = Object.entries(coversAfter).every(
      ([partition, position]) => position <= (from[Number(partition)]?.position ?? 0),
    );
    return isWhole ? { messages: reader.messages, through: { ...from, ...through } } : null;
  };
  return { read };
}

/** The positions behind which all of them read: a partition that one of them does not name is read from its beginning. */
function earliest(readers: readonly Reader[]): Positions {
  const [first, ...others] = readers.map(({ from }) => from);
  return mapPartitions(first ?? {}, ({ position }, partition) =>
    Math.min(position, ...others.map((from) => from[partition]?.position ?? 0)),
  );
}
