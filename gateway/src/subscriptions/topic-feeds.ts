import { pause } from '@voucher-gateway/platform/async/pause';
import { CodedError, isRetryable } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { Preparation } from '../federation/reloadable-federation.ts';
import type { TopicField } from './plan/topic-directive.ts';
import type { MessageBounds } from './topic/message-buffer.ts';
import { openRecentMessages, type RecentMessages } from './topic/recent-messages.ts';
import { createTopicScan, type TopicScan } from './topic/topic-scan.ts';

/** The two sources of a topic's events: recent messages in memory, and scans of the topic for older messages. */
export interface TopicFeed {
  readonly recent: RecentMessages;
  readonly scan: TopicScan;
}

/** The feeds of all topics that the supergraph's Subscription fields name, one per topic. */
export interface TopicFeeds extends AsyncDisposable {
  /**
   * Returns the feed of a topic. Throws an Error for a topic that no field names. Throws TOPICS_UNAVAILABLE (retryable)
   * until a broker has responded.
   */
  get(topic: string): TopicFeed;
  /**
   * Prepares for a reload of the supergraph: opens the feeds of topics that are new in `fields`. The preparation's
   * `finish` closes the feeds of topics that `fields` no longer name.
   */
  prepareFor(fields: Iterable<TopicField>): Promise<Omit<Preparation, 'pending'>>;
}

export interface TopicFeedsOptions {
  topics: Topics;
  recentBounds: MessageBounds;
  maxScanBytes: number;
  log: Log;
}

interface OpenFeed extends AsyncDisposable {
  /** The topic's recent messages; null until a broker has responded. */
  readonly recent: RecentMessages | null;
  readonly scan: TopicScan;
  /**
   * The message fields named by `@topic(match:)`. Each listener chooses one of these fields and one value, and gets the
   * messages with this value.
   */
  matches: Set<string>;
}

const retryEveryMs = 1_000;

export function createTopicFeeds({ topics, recentBounds, maxScanBytes, log }: TopicFeedsOptions): TopicFeeds {
  let feeds: ReadonlyMap<string, OpenFeed> = new Map();

  /** Opens a feed. While no broker responds, opening is retried in the background, and subscriptions are refused. */
  const open = async (topic: string, matches: Set<string>): Promise<OpenFeed> => {
    const stop = new AbortController();
    let recent: RecentMessages | null = null;
    const openRecent = async () => {
      const opened = await openRecentMessages({ topics, topic, matches, bounds: recentBounds, log });
      if (stop.signal.aborted) return opened[Symbol.asyncDispose]();
      recent = opened;
    };
    const keepTrying = async () => {
      while (recent === null && !stop.signal.aborted) {
        await pause(retryEveryMs, stop.signal);
        if (!stop.signal.aborted)
          await openRecent().catch((error: unknown) => log.debug({ error, topic }, 'a topic can not be read yet'));
      }
    };
    try {
      await openRecent();
    } catch (error) {
      if (!isRetryable(error)) throw error;
      log.warn({ error, topic }, 'a topic is read once a broker answers');
      void keepTrying();
    }
    return {
      get recent() {
        return recent;
      },
      scan: createTopicScan({ topics, topic, maxBytes: maxScanBytes }),
      matches,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await recent?.[Symbol.asyncDispose]();
      },
    };
  };

  return {
    get(topic) {
      const feed = feeds.get(topic);
      if (!feed) throw new Error(`nothing reads ${topic}`);
      const { recent, scan } = feed;
      if (!recent) throw new CodedError('TOPICS_UNAVAILABLE', 'The topic can not be read yet.', { retryable: true });
      return { recent, scan };
    },
    async prepareFor(fields) {
      await using undo = new AsyncDisposableStack();
      const next = new Map<string, OpenFeed>();
      const matchesOf = new Map<string, Set<string>>();
      for (const { topic, match } of fields) {
        const matches = matchesOf.get(topic) ?? new Set();
        matchesOf.set(topic, matches.add(match));
      }
      for (const [topic, matches] of matchesOf) {
        const known = feeds.get(topic);
        const feed = known ?? (await open(topic, matches));
        if (!known) undo.use(feed);
        next.set(topic, feed);
      }
      const opened = undo.move();
      let unused: OpenFeed[] = [];
      return {
        commit() {
          opened.move();
          unused = [...feeds.values()].filter((feed) => !new Set(next.values()).has(feed));
          feeds = next;
          for (const [topic, feed] of next) feed.matches = replace(feed.matches, matchesOf.get(topic));
        },
        async finish() {
          await Promise.all(unused.map((feed) => feed[Symbol.asyncDispose]()));
        },
        [Symbol.asyncDispose]: () => opened.disposeAsync(),
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...feeds.values()].map((feed) => feed[Symbol.asyncDispose]()));
    },
  };
}

/**
 * Replaces the members of a set. The set object stays the same, because `openRecentMessages` keeps a reference to it.
 */
function replace(set: Set<string>, members: ReadonlySet<string> = new Set()): Set<string> {
  for (const member of set) if (!members.has(member)) set.delete(member);
  for (const member of members) set.add(member);
  return set;
}
