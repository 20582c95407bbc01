import { type Clock, delay } from '@voucher-gateway/platform/async/clock';
import { isCodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Positions } from '@voucher-gateway/platform/topics';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import type { RootFieldResult } from '../plan/execute-event.ts';
import { isRepublished, matchesSubscriber, toRootFieldResult } from '../plan/match.ts';
import type { TopicSubscription } from '../plan/plan-subscription.ts';
import { idOf, type Slice } from '../topic/message.ts';
import { findUnstored, type ResumeOptions } from './find-unstored.ts';
import { isStoredAtOrBefore, nullIfUnknownCursor } from './stored-messages.ts';
import type { StoredPage } from './stored-page.ts';
import { StoredRange } from './stored-range.ts';
import { unlessAborted } from './unless-aborted.ts';

export interface CatchUpOptions extends ResumeOptions {
  clock: Clock;
  log: Log;
}

/** The events that a subscriber missed. */
export interface CatchUp {
  /**
   * Sends the missed events in order, and the events that arrive during the catch-up, until no event is left. Rejects
   * when the signal aborts, or with TOPIC_RECREATED (retryable).
   */
  sendAll(target: CatchUpTarget): Promise<void>;
}

export interface CatchUpTarget {
  send(event: RootFieldResult, planned: TopicSubscription): Promise<void>;
  /**
   * Called synchronously when all missed events have been sent.
   *
   * @param sent ids of events that were sent and that the topic may still deliver
   * @param cursor cursor of the last event that was sent
   */
  goLive(sent: Set<string>, cursor: string): void;
  signal: AbortSignal;
}

type Phase =
  /** `page` is the next page to send; null if the page has yet to be read. */
  | { name: 'STORED'; page: StoredPage | null }
  /** `slice` is the next slice after `positions`; null if the slice has yet to be read. */
  | { name: 'SCAN'; positions: Positions; stored: StoredRange | null; slice: Slice | null }
  | { name: 'RECENT'; positions: Positions; stored: StoredRange | null }
  | { name: 'LIVE' };

/** If retention has deleted messages that the store has not consumed yet, the store is read again after this delay. */
const readAgainAfterMs = 1_000;

/**
 * Opens the catch-up of one subscriber. The catch-up sends the events after a cursor, without gaps or duplicates, in
 * four phases:
 *
 * 1. STORED sends stored pages. The store is the Query field named by `@topic(replay:)`. Each page has positions: the
 *    store consumed the topic up to these positions before it read the page's rows.
 * 2. SCAN reads the topic after those positions, until the recent messages in memory include everything that follows.
 *    If retention has removed messages after those positions, the store is read again (STORED).
 * 3. RECENT sends the recent messages. Before RECENT, the recent messages catch up with the topic's end. So a message
 *    that arrives later is not among the stored rows. If memory evicts a message that RECENT has not sent yet, SCAN
 *    continues.
 * 4. LIVE follows when no message is left.
 *
 * The store may consume messages out of order. So the store may have rows of messages after its positions. STORED has
 * sent these rows, so SCAN and RECENT skip the messages of these rows (`stored`). Once a slice has reached the topic's
 * end, all later messages are new, and nothing is skipped.
 *
 * If the store does not know the cursor, the store may not have consumed the cursor's message yet. Then the topic is
 * searched for that message.
 *
 * @throws the error of reading the first page, such as CURSOR_INVALID; later failures are retried with backoff
 */
export async function openCatchUp(options: CatchUpOptions): Promise<CatchUp> {
  const { readStoredPage, after } = options;
  const readFirst = async (): Promise<Phase> => {
    try {
      return { name: 'STORED', page: await readStoredPage(after) };
    } catch (error) {
      nullIfUnknownCursor(error);
      const slice = await findUnstored(options);
      if (slice) return { name: 'SCAN', positions: {}, stored: null, slice };
      // The topic does not have the cursor's message. Either the store has consumed the message in the meantime, or the
      // message never existed. If the message never existed, this read throws CURSOR_INVALID.
      return { name: 'STORED', page: await readStoredPage(after) };
    }
  };
  const first = await readFirst();
  return { sendAll: (target) => new CatchUpRun(options, target).run(first) };
}

/**
 * One subscriber's run through the phases. Each resuming subscriber has one run, and a class instance takes less memory
 * than closures.
 */
class CatchUpRun {
  readonly #options: CatchUpOptions;
  readonly #target: CatchUpTarget;
  /** Cursor of the last event that was sent. */
  #cursor: string;
  /**
   * Ids of sent events that the topic may still deliver. Of the stored events, only those of the last two pages are in
   * the set, because `StoredRange` recognises the earlier ones.
   */
  #sent = new Set<string>();

  constructor(options: CatchUpOptions, target: CatchUpTarget) {
    this.#options = options;
    this.#target = target;
    this.#cursor = options.after;
  }

  async run(first: Phase): Promise<void> {
    for (let phase = first; phase.name !== 'LIVE'; ) phase = await this.#step(phase);
  }

  async #step(phase: Exclude<Phase, { name: 'LIVE' }>): Promise<Phase> {
    switch (phase.name) {
      case 'STORED':
        return this.#sendStored(phase.page);
      case 'SCAN':
        return this.#sendScanned(phase);
      case 'RECENT':
        return this.#sendRecent(phase);
    }
  }

  /** Sends all stored pages. */
  async #sendStored(first: StoredPage | null): Promise<Phase> {
    const { claimValue, readStoredPage } = this.#options;
    for (let page = first; ; page = null) {
      const read = page ?? (await this.#retry(() => readStoredPage(this.#cursor)));
      const ids = new Set<string>();
      for (const { id, compared, data, cursor } of read.edges) {
        if (id !== null) ids.add(id);
        if ((id === null || !this.#sent.has(id)) && matchesSubscriber(read.planned, claimValue, compared))
          await this.#target.send({ data, cursor }, read.planned);
      }
      this.#cursor = read.endCursor ?? this.#cursor;
      if (!read.hasNextPage) {
        for (const id of ids) this.#sent.add(id);
        const stored = new StoredRange(this.#cursor, (id, cursor) => this.#isStoredAtOrBefore(id, cursor));
        return { name: 'SCAN', positions: read.storedThrough, stored, slice: null };
      }
      this.#sent = ids;
    }
  }

  /** Sends one slice of the topic, unless the recent messages contain everything after the positions. */
  async #sendScanned({ positions, stored, slice }: Phase & { name: 'SCAN' }): Promise<Phase> {
    const { recent, scan, planned, claimValue, log, clock } = this.#options;
    if (slice) return { name: 'SCAN', ...(await this.#sendSlice(slice, stored)), slice: null };
    await this.#retry(() => recent.caughtUp());
    const from = recent.toCurrentTopic(positions);
    if (recent.hasAllAfter(from)) return { name: 'RECENT', positions: from, stored };
    const { match, topic } = planned().topicField;
    const scanned = await this.#retry(() => scan.read(from, match, claimValue));
    if (scanned) return { name: 'SCAN', positions: from, stored, slice: scanned };
    log.warn({ topic }, 'the store lags behind the retention of the topic: it is read again');
    await delay(clock, readAgainAfterMs, this.#target.signal);
    return { name: 'STORED', page: null };
  }

  /** Sends one slice of the recent messages, or goes live if no message is left. */
  async #sendRecent({ positions, stored }: Phase & { name: 'RECENT' }): Promise<Phase> {
    const { recent, planned, claimValue } = this.#options;
    const { goLive, signal } = this.#target;
    const from = recent.toCurrentTopic(positions);
    if (!recent.hasAllAfter(from)) return { name: 'SCAN', positions: from, stored, slice: null };
    const slice = recent.after(from, planned().topicField.match, claimValue);
    if (slice.messages.length > 0) return { name: 'RECENT', ...(await this.#sendSlice(slice, stored)) };
    signal.throwIfAborted();
    // Nothing is awaited between `recent.after` and `goLive`, so no message can arrive in between.
    goLive(new Set([...this.#sent].filter((id) => !recent.has(id))), this.#cursor);
    return { name: 'LIVE' };
  }

  /** Sends the messages of a slice. Returns the positions after it. */
  async #sendSlice(slice: Slice, stored: StoredRange | null) {
    const { planned, claimValue } = this.#options;
    for (const message of stored ? await stored.skipStored(slice.messages) : slice.messages) {
      const id = idOf(message);
      if (id !== null) {
        if (this.#sent.has(id)) continue;
        if (isRepublished(message) && (await this.#isStoredAtOrBefore(id, this.#cursor))) continue;
        this.#sent.add(id);
        this.#cursor = encodeCursor(id);
      }
      const current = planned();
      if (matchesSubscriber(current, claimValue, message.value))
        await this.#target.send(toRootFieldResult(current, message), current);
    }
    return { positions: slice.through, stored: slice.isWhole ? null : stored };
  }

  #isStoredAtOrBefore(id: string, cursor: string): Promise<boolean> {
    return this.#retry(() => isStoredAtOrBefore(this.#options.readStoredPage, id, cursor));
  }

  /** Retries with exponential backoff until the signal aborts. The error TOPIC_RECREATED is thrown without a retry. */
  async #retry<T>(work: () => Promise<T>): Promise<T> {
    const { log, clock, planned } = this.#options;
    const { signal } = this.#target;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await unlessAborted(signal, work());
      } catch (error) {
        signal.throwIfAborted();
        if (isCodedError(error, 'TOPIC_RECREATED')) throw error;
        log.warn({ error, topic: planned().topicField.topic }, 'a replay failed and is retried');
        await delay(clock, Math.min(250 * 2 ** attempt, 5_000), signal);
      }
    }
  }
}
