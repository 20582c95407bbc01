import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { Clock } from '../../async/clock.ts';
import { createNotifier } from '../../async/notifier.ts';
import { deleteFrom, startHousekeeping } from '../../database/housekeeping.ts';
import { topicMessage } from '../../database/tables.ts';
import type { Database } from '../../database.ts';
import type { Log } from '../../process/log.ts';
import type { Topics } from '../../topics.ts';
import { encodeValue } from '../codec.ts';
import { createConsumerFailures } from '../consumer-failures.ts';
import { type ConsumerLimits, defaultConsumerLimits } from '../consumer-limits.ts';
import { createReaders } from '../open-readers.ts';
import { startGroup } from './group.ts';
import type { MessageLog } from './message-log.ts';
import { startTail } from './tail.ts';

export interface EmbeddedTopicsOptions {
  database: Database;
  clock: Clock;
  log: Log;
  /** Messages older than this are deleted. Default: 7 days. */
  retentionMs?: number;
  /** Default: `defaultConsumerLimits`. */
  limits?: Partial<ConsumerLimits>;
}

const pollEveryMs = 1_000;
const channel = 'platform_topics';

/**
 * The topics port on a message log in the embedded database. Publishing appends to the log within the caller's
 * transaction, so no outbox is needed.
 *
 * The database has one connection, so positions become visible in order. A reader that continues after a position
 * therefore misses no message.
 */
export async function createEmbeddedTopics({
  database,
  clock,
  log,
  retentionMs = 7 * 86_400_000,
  limits,
}: EmbeddedTopicsOptions): Promise<Topics> {
  await using releases = new AsyncDisposableStack();
  const notifier = releases.use(createNotifier(pollEveryMs));
  releases.use(await database.listen(channel, (topic) => notifier.notify(topic)));
  releases.use(
    startHousekeeping({
      database,
      clock,
      log,
      retentions: [
        {
          name: 'messages',
          keepMs: retentionMs,
          deleteSome: deleteFrom(topicMessage, topicMessage.publishedAt),
        },
      ],
    }),
  );

  const messages: MessageLog = {
    read: (topic, after, limit) =>
      database.query
        .select()
        .from(topicMessage)
        .where(and(eq(topicMessage.topic, topic), gt(topicMessage.id, after)))
        .orderBy(asc(topicMessage.id))
        .limit(limit),
    listen: (topic, onNotify) => notifier.listen(topic, onNotify),
    async append(tx, topic, added) {
      const publishedAt = new Date(clock.now());
      await tx.insert(topicMessage).values(added.map((message) => ({ ...message, topic, publishedAt })));
      await tx.execute(sql`select pg_notify(${channel}, ${topic})`);
    },
  };
  const readers = releases.use(createReaders());
  const failures = createConsumerFailures();
  const groupContext = { database, messages, limits: { ...defaultConsumerLimits, ...limits }, failures, log };
  const owned = releases.move();

  const publishAll: Topics['publishAll'] = async (tx, topic, values, { headers = {} } = {}) => {
    if (values.length === 0) return;
    const encoded = values.map((value) => ({ key: topic.key(value), value: encodeValue(topic, value), headers }));
    await messages.append(tx, topic.name, encoded);
  };

  return {
    publish: (tx, topic, value, options) => publishAll(tx, topic, [value], options),
    publishAll,
    consume: async (options) => readers.track(await startGroup({ ...options, ...groupContext })),
    tail: async (options) => readers.track(await startTail(options, { database, messages, log })),
    ping: async () => void (await database.ping()),
    failures: failures.list,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
