import { type Clock, delay } from '@voucher-gateway/platform/clock';
import { isCodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { Positions } from '@voucher-gateway/platform/topics';
import { decodeCursor, encodeCursor } from '@voucher-gateway/schema/cursor';
import type { RootFieldResult } from './execute-event.ts';
import type { TopicSubscription } from './plan-subscription.ts';
import { idOf, type RecentMessages, type Slice, type TopicMessage } from './recent-messages.ts';
import type { ReadStoredPage, StoredPage } from './stored-page.ts';
import {
  isRepublished,
  isStoredAtOrBefore,
  matchesSubscriber,
  nullIfUnknownCursor,
  toRootFieldResult,
} from './topic-message.ts';
import type { TopicScan } from './topic-scan.ts';

export interface CatchUpOptions {
  /** The subscription as it is planned by now: another supergraph may be served in the middle. */
  planned(): TopicSubscription;
  /** The subscriber's own claim: what `match` must equal. */
  key: string;
  recent: RecentMessages;
  scan: TopicScan;
  clock: Clock;
  log: Log;
  /** Reads what is stored behind a cursor (`createStoredPageReader`). */
  readStoredPage: ReadStoredPage;
  after: string;
}

/** What a subscriber missed, ready to be sent. */
export interface CatchUp {
  /**
   * Sends it, one event after the other, and goes on with what comes meanwhile until nothing is left. Rejects when
   * the signal aborts, and with TOPIC_RECREATED (retryable).
   */
  sendAll(to: {
    send(event: RootFieldResult, planned: TopicSubscription): Promise<void>;
    /**
     * Called in the step in which nothing is left, with the ids of what was sent and may come again, and the cursor of
     * the last that was sent.
     */
    goLive(sent: Set<string>, cursor: string): void;
    signal: AbortSignal;
  }): Promise<void>;
}

/**
 * Prepares what is stored behind a cursor, then what the topic has behind that, without gap or repeat.
 *
 * The store tells through which positions it had consumed the topic before it read its rows. Everything behind those
 * positions must come from the topic: from the recent where it reaches back that far, else from the topic itself; past
 * the topic's retention the store is asked again until it has caught up. The store's rows may be ahead of those
 * positions, for it finishes messages in any order: what the topic has up to the last row that was sent, or the cursor,
 * is passed over. The recent is let catch up with the topic before that: what comes live afterwards is newer than every
 * row.
 *
 * A cursor that the store does not know may name a message that it has yet to consume: the topic is looked at, too.
 *
 * @throws what the first page throws, such as CURSOR_INVALID; later failures are tried again with backoff
 */
export async function openCatchUp(options: CatchUpOptions): Promise<CatchUp> {
  const { planned, key, recent, scan, clock, log, readStoredPage, after } = options;
  const { match, topic } = planned().topicField;

  /**
   * The cursor names a message that the store has not consumed yet: it lags, and the client is ahead of it. Then the
   * topic alone has what follows. Null where the topic does not know the message either.
   */
  const readUnstored = async (): Promise<Slice | null> => {
    const id = decodeCursor(after)?.id;
    const behindIt = async (
      from: Positions,
      read: (from: Positions) => Promise<Slice | null>,
    ): Promise<Slice | null> => {
      for (let slice = await read(from); slice; slice = await read(slice.through)) {
        const { messages, through, isWhole } = slice;
        const at = messages.findIndex((message) => idOf(message) === id);
        if (at !== -1) return { messages: messages.slice(at + 1), through, isWhole };
        if (isWhole) return null;
      }
      return null;
    };
    const { storedThrough } = await readStoredPage(encodeCursor(null), 1);
    // Another gateway may have been ahead of this one's recent.
    await recent.caughtUp();
    const inRecent = await behindIt({}, async (from) => recent.after(from, match, key));
    if (inRecent) return inRecent;
    const from = recent.toCurrentTopic(storedThrough);
    // What the recent has not, and reaches back to, is nowhere: the topic is not read for any text.
    if (recent.hasAllAfter(from)) return null;
    return behindIt(from, (positions) => scan.read(positions, match, key));
  };

  const first = await readStoredPage(after).catch(async (error: unknown) => {
    nullIfUnknownCursor(error);
    // Where the topic has it no more to give, the store has it by now, or nobody.
    return (await readUnstored()) ?? (await readStoredPage(after));
  });

  return {
    async sendAll({ send, goLive, signal }) {
      const persist = async <T>(work: () => Promise<T>): Promise<T> => {
        for (let attempt = 0; ; attempt += 1) {
          try {
            return await work();
          } catch (error) {
            signal.throwIfAborted();
            if (isCodedError(error, 'TOPIC_RECREATED')) throw error;
            log.warn({ error, topic }, 'a replay failed and is tried again');
            await delay(clock, Math.min(250 * 2 ** attempt, 5_000), signal);
          }
        }
      };
      let cursor = after;
      // What was sent and may come again. Of the store its last page alone: what else the feed has up to the cursor is
      // passed over by its place.
      let sent = new Set<string>();

      /** Everything that is stored; resolves with the positions through which that is all. */
      const sendStored = async (from: StoredPage | null): Promise<Positions> => {
        for (let page = from; ; page = null) {
          const read = page ?? (await persist(() => readStoredPage(cursor)));
          const { planned, edges, endCursor, hasNextPage, storedThrough } = read;
          const ids = new Set<string>();
          for (const { id, compared, data, cursor } of edges) {
            if (id !== null) ids.add(id);
            if ((id === null || !sent.has(id)) && matchesSubscriber(planned, key, compared))
              await send({ data, cursor }, planned);
          }
          cursor = endCursor ?? cursor;
          if (!hasNextPage) {
            for (const id of ids) sent.add(id);
            return storedThrough;
          }
          sent = ids;
        }
      };
      const sendMessages = async ({ messages, through }: Slice): Promise<Positions> => {
        for (const message of messages) {
          const id = idOf(message);
          if (id !== null && sent.has(id)) continue;
          if (id !== null) {
            if (isRepublished(message) && (await persist(() => isStoredAtOrBefore(readStoredPage, id, cursor))))
              continue;
            sent.add(id);
            cursor = encodeCursor(id);
          }
          const current = planned();
          if (matchesSubscriber(current, key, message.value)) await send(toRootFieldResult(current, message), current);
        }
        return through;
      };

      /** Partitions of which a message after the store's last cursor was seen: their rest is after it, too. */
      let areBehind = new Set<number>();
      let storeCursor = cursor;
      /** Drops messages at or before the store's last cursor: the store may have run ahead of its positions. */
      const behindCursor = async (slice: Slice): Promise<Slice> => {
        const { messages } = slice;
        const at = decodeCursor(storeCursor)?.id ?? null;
        if (at === null) return slice;
        const atCursor = messages.findIndex((message) => idOf(message) === at);
        const behind: TopicMessage[] = [];
        for (const [index, message] of messages.entries()) {
          const { partition } = message;
          if (!areBehind.has(partition)) {
            const id = idOf(message);
            const isAhead =
              partition === messages[atCursor]?.partition
                ? index <= atCursor
                : id !== null && (await persist(() => isStoredAtOrBefore(readStoredPage, id, storeCursor)));
            if (isAhead) continue;
            areBehind.add(partition);
          }
          behind.push(message);
        }
        return { ...slice, messages: behind };
      };

      let positions = 'edges' in first ? await sendStored(first) : await sendMessages(first);
      storeCursor = cursor;
      // Until all has been seen that the topic had when the store was read.
      let mayBeStored = 'edges' in first;
      let isInRecent = false;
      const sendSlice = async (slice: Slice) => {
        positions = await sendMessages(mayBeStored ? await behindCursor(slice) : slice);
        if (slice.isWhole) mayBeStored = false;
      };
      for (;;) {
        if (!isInRecent) await persist(() => recent.caughtUp());
        positions = recent.toCurrentTopic(positions);
        isInRecent = recent.hasAllAfter(positions);
        if (isInRecent) {
          const behind = recent.after(positions, match, key);
          if (behind.messages.length === 0) {
            signal.throwIfAborted();
            return goLive(new Set([...sent].filter((id) => !recent.has(id))), cursor);
          }
          await sendSlice(behind);
          continue;
        }
        const read = await persist(() => scan.read(positions, match, key));
        if (read) {
          await sendSlice(read);
          continue;
        }
        log.warn({ topic }, 'what is stored lags behind what the topic keeps: the store is asked again');
        await delay(clock, 1_000, signal);
        positions = await sendStored(null);
        storeCursor = cursor;
        areBehind = new Set();
        mayBeStored = true;
      }
    },
  };
}
