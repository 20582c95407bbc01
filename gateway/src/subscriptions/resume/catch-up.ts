import { type Clock, delay } from '@voucher-gateway/platform/clock';
import { isCodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { Positions } from '@voucher-gateway/platform/topics';
import { decodeCursor, encodeCursor } from '@voucher-gateway/schema/cursor';
import type { RootFieldResult } from '../plan/execute-event.ts';
import { isRepublished, matchesSubscriber, toRootFieldResult } from '../plan/match.ts';
import type { TopicSubscription } from '../plan/plan-subscription.ts';
import { idOf, type Slice, type TopicMessage } from '../topic/message.ts';
import type { RecentMessages } from '../topic/recent-messages.ts';
import type { TopicScan } from '../topic/topic-scan.ts';
import { isStoredAtOrBefore, nullIfUnknownCursor } from './stored-messages.ts';
import type { ReadStoredPage, StoredPage } from './stored-page.ts';

export interface CatchUpOptions {
  /** The current plan of the subscription: the supergraph may be reloaded during catch-up. */
  planned(): TopicSubscription;
  /** Value of the subscriber's claim, which the `match` field must equal. */
  key: string;
  recent: RecentMessages;
  scan: TopicScan;
  clock: Clock;
  log: Log;
  /** Reads a page of stored events after a cursor (`createStoredPageReader`). */
  readStoredPage: ReadStoredPage;
  after: string;
}

/** The events that a subscriber missed. */
export interface CatchUp {
  /**
   * Sends the missed events in order, and those that arrive meanwhile, until none is left. Rejects when the signal
   * aborts, and with TOPIC_RECREATED (retryable).
   */
  sendAll(to: {
    send(event: RootFieldResult, planned: TopicSubscription): Promise<void>;
    /**
     * Called synchronously once nothing is left.
     *
     * @param sent ids of events that were sent and that the topic may still deliver
     * @param cursor cursor of the last event that was sent
     */
    goLive(sent: Set<string>, cursor: string): void;
    signal: AbortSignal;
  }): Promise<void>;
}

/**
 * Opens the events after a cursor, without gaps or duplicates, in four phases:
 *
 * 1. Stored pages. The store reports the topic positions that it had consumed before it read its rows.
 * 2. Topic scan, while the recent messages do not reach back to those positions. If retention has removed messages, the
 *    store is read again until it has caught up.
 * 3. Recent messages, once they have caught up with the topic: what arrives later is newer than every stored row.
 * 4. Live, as soon as nothing is left.
 *
 * The store consumes out of order, so its rows may be newer than its positions. In phases 2 and 3 messages up to the last
 * row that was sent, or up to the cursor, are therefore skipped.
 *
 * If the store does not know the cursor, the topic is searched for it: the store may not have consumed that message yet.
 *
 * @throws what the first page throws, such as CURSOR_INVALID; later failures are retried with backoff
 */
export async function openCatchUp(options: CatchUpOptions): Promise<CatchUp> {
  const { planned, key, recent, scan, clock, log, readStoredPage, after } = options;
  const { match, topic } = planned().topicField;

  /**
   * The messages after a cursor that the store does not know, from the topic: the store may lag behind the client. Null
   * if the topic does not have the cursor's message either.
   */
  const readUnstored = async (): Promise<Slice | null> => {
    const id = decodeCursor(after)?.id;
    const findAfterCursor = async (
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
    // The client may have the cursor from another gateway that has read further than this one.
    await recent.caughtUp();
    const inRecent = await findAfterCursor({}, async (from) => recent.after(from, match, key));
    if (inRecent) return inRecent;
    const from = recent.toCurrentTopic(storedThrough);
    // The recent messages cover this range, so the cursor is unknown. Avoids a topic scan for arbitrary cursors.
    if (recent.hasAllAfter(from)) return null;
    return findAfterCursor(from, (positions) => scan.read(positions, match, key));
  };

  const first = await readStoredPage(after).catch(async (error: unknown) => {
    nullIfUnknownCursor(error);
    // If retention has removed it from the topic, the store must have it by now; else the cursor is unknown.
    return (await readUnstored()) ?? (await readStoredPage(after));
  });

  return {
    async sendAll({ send, goLive, signal }) {
      const retry = async <T>(work: () => Promise<T>): Promise<T> => {
        for (let attempt = 0; ; attempt += 1) {
          try {
            return await work();
          } catch (error) {
            signal.throwIfAborted();
            if (isCodedError(error, 'TOPIC_RECREATED')) throw error;
            log.warn({ error, topic }, 'a replay failed and is retried');
            await delay(clock, Math.min(250 * 2 ** attempt, 5_000), signal);
          }
        }
      };
      let cursor = after;
      // Ids already sent that the topic may deliver again. Of stored rows only the last page is needed: earlier ones are
      // skipped by position.
      let sent = new Set<string>();

      /** Sends all stored pages. Resolves with the topic positions that the store had consumed. */
      const sendStored = async (from: StoredPage | null): Promise<Positions> => {
        for (let page = from; ; page = null) {
          const read = page ?? (await retry(() => readStoredPage(cursor)));
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
            if (isRepublished(message) && (await retry(() => isStoredAtOrBefore(readStoredPage, id, cursor)))) continue;
            sent.add(id);
            cursor = encodeCursor(id);
          }
          const current = planned();
          if (matchesSubscriber(current, key, message.value)) await send(toRootFieldResult(current, message), current);
        }
        return through;
      };

      /** Partitions in which a message after the store's last cursor was seen: all later ones are after it, too. */
      let partitionsAfterCursor = new Set<number>();
      let storeCursor = cursor;
      /**
       * Drops messages at or before the store's last cursor. A partition is in feed order, so the first message after the
       * cursor settles the rest of its partition.
       */
      const dropUpToCursor = async (slice: Slice): Promise<Slice> => {
        const { messages } = slice;
        const at = decodeCursor(storeCursor)?.id ?? null;
        if (at === null) return slice;
        const atCursor = messages.findIndex((message) => idOf(message) === at);
        const afterCursor: TopicMessage[] = [];
        for (const [index, message] of messages.entries()) {
          const { partition } = message;
          if (!partitionsAfterCursor.has(partition)) {
            const id = idOf(message);
            const isUpToCursor =
              partition === messages[atCursor]?.partition
                ? index <= atCursor
                : id !== null && (await retry(() => isStoredAtOrBefore(readStoredPage, id, storeCursor)));
            if (isUpToCursor) continue;
            partitionsAfterCursor.add(partition);
          }
          afterCursor.push(message);
        }
        return { ...slice, messages: afterCursor };
      };

      let positions = 'edges' in first ? await sendStored(first) : await sendMessages(first);
      storeCursor = cursor;
      // True until everything has been read that the topic had when the store was read.
      let mayBeStored = 'edges' in first;
      let isInRecent = false;
      const sendSlice = async (slice: Slice) => {
        positions = await sendMessages(mayBeStored ? await dropUpToCursor(slice) : slice);
        if (slice.isWhole) mayBeStored = false;
      };
      for (;;) {
        if (!isInRecent) await retry(() => recent.caughtUp());
        positions = recent.toCurrentTopic(positions);
        isInRecent = recent.hasAllAfter(positions);
        if (isInRecent) {
          const slice = recent.after(positions, match, key);
          if (slice.messages.length === 0) {
            signal.throwIfAborted();
            return goLive(new Set([...sent].filter((id) => !recent.has(id))), cursor);
          }
          await sendSlice(slice);
          continue;
        }
        const read = await retry(() => scan.read(positions, match, key));
        if (read) {
          await sendSlice(read);
          continue;
        }
        log.warn({ topic }, 'the store lags behind the retention of the topic: it is read again');
        await delay(clock, 1_000, signal);
        positions = await sendStored(null);
        storeCursor = cursor;
        partitionsAfterCursor = new Set();
        mayBeStored = true;
      }
    },
  };
}
