import { type Clock, delay } from '@voucher-gateway/platform/clock';
import type { Log } from '@voucher-gateway/platform/log';
import type { Positions, Topics } from '@voucher-gateway/platform/topics';
import { decodeCursor, encodeCursor } from '@voucher-gateway/schema/cursor';
import { GraphQLError } from 'graphql';
import { createEventQueue, type EventQueue } from './event-queue.ts';
import type { PrimaryAnswer } from './execute-event.ts';
import type { TopicSubscription } from './prepare.ts';
import { comparedArguments, type ReplayPage } from './replay.ts';
import { anyTopic, idOf, type TopicMessage, type TopicWindow, type Value } from './topic-window.ts';

export interface FeedOptions {
  prepared: TopicSubscription;
  /** The subscriber's own claim: what `match` must equal. */
  key: string;
  window: TopicWindow;
  topics: Topics;
  clock: Clock;
  log: Log;
}

/** Reads what is stored behind a cursor (`createReplay`). */
export type ReadPage = (after: string) => Promise<ReplayPage>;

/** The events from now on. */
export function openLiveFeed({ prepared, key, window }: FeedOptions): EventQueue<PrimaryAnswer> {
  const { topicField } = prepared;
  const listening = window.listen(topicField.match, key, (message) => {
    if (matches(prepared, key, message.value)) queue.push(answerOf(prepared, message));
  });
  const queue = createEventQueue<PrimaryAnswer>(() => listening[Symbol.dispose]());
  return queue;
}

/**
 * What is stored behind a cursor, then live, without gap or repeat.
 *
 * The store tells through which positions it had consumed the topic before it read its rows. Everything
 * behind those positions must come from the topic: from the window where it reaches back that far, else
 * from a reading of the topic's own; past the topic's retention the store is asked again until it has
 * caught up. What the store's rows hold of the topic behind those positions, it being ahead by then, is
 * told by the message's id.
 *
 * A cursor that the store does not know may name a message that it has yet to consume: the topic is looked at, too.
 *
 * @throws what the first page throws, such as CURSOR_INVALID; later failures are tried again with backoff
 */
export async function openResumedFeed(
  options: FeedOptions & { readPage: ReadPage; after: string },
): Promise<EventQueue<PrimaryAnswer>> {
  const { prepared, key, window, topics, clock, log, readPage, after } = options;
  const { match, topic } = prepared.topicField;
  const closing = new AbortController();
  const resources = new DisposableStack();
  const queue = createEventQueue<PrimaryAnswer>(() => {
    closing.abort();
    resources.dispose();
  });
  const sent = new Set<string>();
  let cursor = after;

  const sendPage = (page: ReplayPage) => {
    for (const edge of page.edges) {
      if (edge.id !== null && sent.has(edge.id)) continue;
      if (edge.id !== null) sent.add(edge.id);
      if (matches(prepared, key, edge.compared)) queue.push({ answered: edge.answered, cursor: edge.cursor });
    }
    cursor = page.endCursor ?? cursor;
  };
  const sendMessage = (message: TopicMessage) => {
    const id = idOf(message);
    if (id !== null && sent.has(id)) return;
    if (id !== null) sent.add(id);
    if (matches(prepared, key, message.value)) queue.push(answerOf(prepared, message));
  };
  /** In one step, so that no message falls between what is held and what is heard. */
  const goLive = (behind: Positions) => {
    for (const message of window.behind(behind, match, key)) sendMessage(message);
    if (!closing.signal.aborted) resources.use(window.listen(match, key, sendMessage));
  };

  /** The subscriber's messages behind the positions, up to now; null where the topic no longer has them all. */
  const readTopic = async (after: Positions): Promise<TopicMessage[] | null> => {
    const found: TopicMessage[] = [];
    await using tail = await topics.tail({
      topic: anyTopic(topic),
      from: { after },
      onMessage: (message) => {
        if (message.value[match] === key) found.push(message);
      },
    });
    const complete = Object.entries(tail.coversAfter).every(
      ([partition, position]) => position <= (after[Number(partition)] ?? 0),
    );
    return complete ? found : null;
  };

  /**
   * The cursor names a message that the store has not consumed yet: it lags, and the client is ahead of it. Then the
   * topic alone has what follows. Null where the topic does not know the message either.
   */
  const behindUnstored = async (): Promise<(() => void) | null> => {
    const id = decodeCursor(after)?.id;
    const from = (messages: TopicMessage[], position: Positions) => {
      const at = messages.findIndex((message) => idOf(message) === id);
      if (at === -1) return null;
      return () => {
        for (const message of messages.slice(0, at + 1)) sent.add(idOf(message) ?? '');
        for (const message of messages.slice(at + 1)) sendMessage(message);
        goLive(position);
      };
    };
    const inWindow = from(window.behind({}, match, key), {});
    if (inWindow) return inWindow;
    const { storedThrough } = await readPage(encodeCursor(null));
    // What the window has not, and reaches back to, is nowhere: a tail of its own is not begun for any text.
    if (window.reachesBackTo(storedThrough)) return null;
    const gap = await readTopic(storedThrough);
    return gap && from(gap, storedThrough);
  };

  const first = await readPage(after).catch(async (error: unknown) => {
    const isUnknown = error instanceof GraphQLError && error.extensions.code === 'CURSOR_INVALID';
    const begin = isUnknown ? await behindUnstored() : null;
    if (!begin) throw error;
    begin();
    return null;
  });
  if (first === null) return queue;

  const catchUp = async () => {
    let page = first;
    for (;;) {
      const { storedThrough } = page;
      sendPage(page);
      while (page.hasNextPage) {
        // A slow reader is waited for, so that what it is behind stays in the store and not in memory.
        await queue.drained();
        page = await persist(() => readPage(cursor));
        sendPage(page);
      }
      if (window.reachesBackTo(storedThrough)) return goLive(storedThrough);
      const gap = await readTopic(storedThrough);
      if (gap) {
        for (const message of gap) sendMessage(message);
        return goLive(storedThrough);
      }
      log.warn({ topic }, 'what is stored lags behind what the topic keeps: the store is asked again');
      await delay(clock, 1_000, closing.signal);
      page = await persist(() => readPage(cursor));
    }
  };

  const persist = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        closing.signal.throwIfAborted();
        log.warn({ error, topic }, 'a replay failed and is tried again');
        await delay(clock, Math.min(250 * 2 ** attempt, 5_000), closing.signal);
      }
    }
  };

  catchUp().catch((error: unknown) => {
    if (!closing.signal.aborted) queue.end(error);
  });
  return queue;
}

/** A message as the root field's value: itself, or an edge around it. */
function answerOf({ topicField }: TopicSubscription, message: TopicMessage): PrimaryAnswer {
  const id = idOf(message);
  const cursor = id !== null && topicField.replay ? encodeCursor(id) : null;
  if (!topicField.isEdge) return { value: message.value, cursor };
  return { value: { ...(id !== null && { cursor: encodeCursor(id) }), node: message.value }, cursor };
}

/** Whether a value is the subscriber's own and equals each argument given. The claim is what guards it. */
function matches(prepared: TopicSubscription, key: string, value: Value): boolean {
  if (value[prepared.topicField.match] !== key) return false;
  return comparedArguments(prepared).every(
    ([name, given]) =>
      value[name] === given || ((value[name] ?? null) !== null && String(value[name]) === String(given)),
  );
}
