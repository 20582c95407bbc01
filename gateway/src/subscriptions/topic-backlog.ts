import { createCoalesced } from '@voucher-gateway/platform/coalesced';
import type { Positions, Topics } from '@voucher-gateway/platform/topics';
import { anyTopic, type Stretch, type TopicMessage } from './topic-window.ts';

/** What a topic holds, for those who come from further back than the window reaches. */
export interface TopicBacklog {
  /**
   * The messages behind these positions whose `match` field equals `key`, in order, up to now; null where the topic no
   * longer has them all. Those who come while it is being read share the next reading: a store that lags is no reason
   * to read the topic once for each of thousands who come again.
   */
  read(from: Positions, match: string, key: string): Promise<Stretch | null>;
}

interface Reader {
  from: Positions;
  match: string;
  key: string;
  messages: TopicMessage[];
}

export function createTopicBacklog({ topics, topic }: { topics: Topics; topic: string }): TopicBacklog {
  let waiting: Reader[] = [];
  const readForAll = createCoalesced(async () => {
    const readers = Map.groupBy(waiting, ({ match }) => match);
    const from = earliest(waiting);
    waiting = [];
    const index = [...readers].map(([match, ofMatch]) => ({
      match,
      byKey: Map.groupBy<unknown, Reader>(ofMatch, ({ key }) => key),
    }));
    await using tail = await topics.tail({
      topic: anyTopic(topic),
      from: { after: from },
      onMessage(message) {
        for (const { match, byKey } of index)
          for (const reader of byKey.get(message.value[match]) ?? [])
            if (message.position > (reader.from[message.partition] ?? 0)) reader.messages.push(message);
      },
    });
    return { startedAt: tail.startedAt, coversAfter: tail.coversAfter };
  });

  return {
    async read(from, match, key) {
      const reader: Reader = { from, match, key, messages: [] };
      waiting.push(reader);
      const { startedAt, coversAfter } = await readForAll();
      const isWhole = Object.entries(coversAfter).every(
        ([partition, position]) => position <= (from[Number(partition)] ?? 0),
      );
      return isWhole ? { messages: reader.messages, through: { ...from, ...startedAt } } : null;
    },
  };
}

/** The positions behind which all of them read: a partition that one of them does not name is read from its beginning. */
function earliest(readers: readonly Reader[]): Positions {
  const [first, ...others] = readers.map(({ from }) => from);
  return Object.fromEntries(
    Object.entries(first ?? {}).map(([partition, position]) => [
      partition,
      Math.min(position, ...others.map((from) => from[Number(partition)] ?? 0)),
    ]),
  );
}
