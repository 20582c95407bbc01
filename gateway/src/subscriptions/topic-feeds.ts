import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { Preparation } from '../reloadable-federation.ts';
import type { MessageBounds } from './held-messages.ts';
import { createTopicBacklog, type TopicBacklog } from './topic-backlog.ts';
import type { TopicField } from './topic-directive.ts';
import { openTopicWindow, type TopicWindow } from './topic-window.ts';

/** What feeds the subscriptions of a topic. */
export interface TopicFeed {
  readonly window: TopicWindow;
  readonly backlog: TopicBacklog;
}

/** One feed for each topic that the Subscription fields of the supergraph name. */
export interface TopicFeeds extends AsyncDisposable {
  /** Throws for a topic that no field names. */
  get(topic: string): TopicFeed;
  /** Opens the feeds of topics that other fields add. `finish` closes those of topics that they do not name. */
  prepareFor(fields: Iterable<TopicField>): Promise<Omit<Preparation, 'pending'>>;
}

export interface TopicFeedsOptions {
  topics: Topics;
  windowBounds: MessageBounds;
  maxScanBytes: number;
  log: Log;
}

interface OpenFeed extends TopicFeed {
  /** Fields of the messages that its listeners match by. */
  matches: Set<string>;
}

export function createTopicFeeds({ topics, windowBounds, maxScanBytes, log }: TopicFeedsOptions): TopicFeeds {
  let feeds: ReadonlyMap<string, OpenFeed> = new Map();

  const open = async (topic: string, matches: Set<string>): Promise<OpenFeed> => ({
    window: await openTopicWindow({ topics, topic, matches, bounds: windowBounds, log }),
    backlog: createTopicBacklog({ topics, topic, maxBytes: maxScanBytes }),
    matches,
  });

  return {
    get(topic) {
      const feed = feeds.get(topic);
      if (!feed) throw new Error(`nothing reads ${topic}`);
      return feed;
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
        if (!known) undo.use(feed.window);
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
          await Promise.all(unused.map(({ window }) => window[Symbol.asyncDispose]()));
        },
        [Symbol.asyncDispose]: () => opened.disposeAsync(),
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...feeds.values()].map(({ window }) => window[Symbol.asyncDispose]()));
    },
  };
}

/** Gives a set, which its window reads, other members. */
function replace(set: Set<string>, members: ReadonlySet<string> = new Set()): Set<string> {
  for (const member of set) if (!members.has(member)) set.delete(member);
  for (const member of members) set.add(member);
  return set;
}
