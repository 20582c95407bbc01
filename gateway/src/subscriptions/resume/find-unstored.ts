import type { Positions } from '@voucher-gateway/platform/topics';
import { decodeCursor, encodeCursor } from '@voucher-gateway/schema/cursor';
import type { TopicSubscription } from '../plan/plan-subscription.ts';
import { idOf, type Slice } from '../topic/message.ts';
import type { RecentMessages } from '../topic/recent-messages.ts';
import type { TopicScan } from '../topic/topic-scan.ts';
import type { ReadStoredPage } from './stored-page.ts';

/** A subscription that resumes after a cursor, and the sources of its events. */
export interface ResumeOptions {
  /** Returns the subscription's current plan. A reload of the supergraph during catch-up replaces the plan. */
  planned(): TopicSubscription;
  /**
   * Value of the subscriber's claim. The subscriber gets only messages whose field named by `@topic(match:)` equals it.
   */
  claimValue: string;
  recent: RecentMessages;
  scan: TopicScan;
  /** Reads a page of stored events after a cursor (`createStoredPageReader`). */
  readStoredPage: ReadStoredPage;
  after: string;
}

/**
 * Reads the messages after a cursor from the topic. Called if the store does not know the cursor: the client may have
 * received a message that the store has not consumed yet. Returns null if the topic does not have the cursor's message.
 */
export async function findUnstored(options: ResumeOptions): Promise<Slice | null> {
  const { planned, claimValue, recent, scan, readStoredPage, after } = options;
  const { match } = planned().topicField;
  const id = decodeCursor(after)?.id;
  const { storedThrough } = await readStoredPage(encodeCursor(null), 1);
  // Another gateway may have sent the cursor's message before this gateway has read the message. So this gateway first
  // reads to the topic's end.
  await recent.caughtUp();
  const inRecent = await findAfter(id, {}, async (from) => recent.after(from, match, claimValue));
  if (inRecent) return inRecent;
  const from = recent.toCurrentTopic(storedThrough);
  // The cursor's message is not among the recent messages. If the recent messages include everything after `from`, a
  // scan would not find that message either. Without this check, clients could cause scans with invented cursors.
  if (recent.hasAllAfter(from)) return null;
  return findAfter(id, from, (positions) => scan.read(positions, match, claimValue));
}

/**
 * Reads slices until one contains the message with this id, and returns the messages after that message. Returns null
 * if no slice contains the message.
 */
async function findAfter(
  id: string | null | undefined,
  from: Positions,
  read: (from: Positions) => Promise<Slice | null>,
): Promise<Slice | null> {
  for (let slice = await read(from); slice; slice = await read(slice.through)) {
    const { messages, through, isWhole } = slice;
    const at = messages.findIndex((message) => idOf(message) === id);
    if (at !== -1) return { messages: messages.slice(at + 1), through, isWhole };
    if (isWhole) return null;
  }
  return null;
}
