import {
  bigint,
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { instant } from './columns.ts';

/** The schema of the tables that the adapters use. */
export const platformSchema = pgSchema('platform');

/** The messages of all embedded topics. `id` is the position. */
export const topicMessage = platformSchema.table(
  'topic_message',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    topic: text().notNull(),
    key: text().notNull(),
    /** JSON as text, so that its bytes stay unchanged, and even a value that does not parse can be stored. */
    value: text().notNull(),
    headers: jsonb().$type<Record<string, string>>().notNull(),
    publishedAt: instant('published_at').notNull(),
  },
  (table) => [
    index('topic_message_by_topic').on(table.topic, table.id),
    index('topic_message_by_age').on(table.publishedAt),
  ],
);

/** The position up to which a consumer group has finished an embedded topic. */
export const topicPosition = platformSchema.table(
  'topic_position',
  {
    topic: text().notNull(),
    group: text('consumer_group').notNull(),
    position: bigint({ mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.topic, table.group] })],
);

/** Messages for the broker: inserted in the publisher's transaction, deleted once the broker has stored them. */
export const outbox = platformSchema.table(
  'outbox',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    topic: text().notNull(),
    key: text().notNull(),
    value: text().notNull(),
    headers: jsonb().$type<Record<string, string>>().notNull(),
  },
  (table) => [index('outbox_by_topic').on(table.topic, table.id)],
);

/** Leases on work that only one process may do, with their expiry. */
export const lease = platformSchema.table('lease', {
  name: text().primaryKey(),
  /** A random id, new at each start of a process. */
  holder: uuid().notNull(),
  expiresAt: instant('expires_at').notNull(),
});

/** The embedded key-value store. */
export const keyValueEntry = platformSchema.table(
  'key_value',
  {
    key: text().primaryKey(),
    value: text().notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('key_value_by_expiry').on(table.expiresAt)],
);

/**
 * Messages that failed for too long. The group's committed position has passed them, and they are retried from this
 * table.
 */
export const parkedMessage = platformSchema.table(
  'parked_message',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    topic: text().notNull(),
    group: text('consumer_group').notNull(),
    /** The key is hashed, because messages of other publishers may have keys that are too long for an index. */
    keyHash: text('key_hash').notNull(),
    partition: integer().notNull(),
    position: bigint({ mode: 'number' }).notNull(),
    /** When the message was published, in milliseconds since the epoch, from the broker. */
    publishedAt: bigint('published_at', { mode: 'number' }).notNull(),
    /** Key, value and headers as JSON text. JSON escapes characters that PostgreSQL rejects, such as NUL. */
    message: text().notNull(),
    errorCode: text('error_code').notNull(),
    errorMessage: text('error_message').notNull(),
    /** Number of retries since the message was parked. */
    attempts: integer().notNull().default(0),
    /**
     * True if an operator replayed the message from the dead-letter topic. The group's position is already after such a
     * message.
     */
    isReplay: boolean('is_replay').notNull().default(false),
    parkedAt: instant('parked_at').notNull().defaultNow(),
    /**
     * Time of the next retry. While a process retries the message, this is the time when the process's claim on the
     * message expires.
     */
    retryAt: instant('retry_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('parked_message_once').on(table.topic, table.group, table.partition, table.position, table.publishedAt),
    index('parked_message_by_key').on(table.topic, table.group, table.keyHash, table.id),
  ],
);

/** The consumer groups that park their messages in this database; dead letters can be replayed to them. */
export const consumerGroup = platformSchema.table(
  'consumer_group',
  {
    topic: text().notNull(),
    group: text('consumer_group').notNull(),
    /**
     * True if a consumer of the group has stopped, because too many messages in a row went to the dead-letter topic.
     */
    hasStopped: boolean('has_stopped').notNull().default(false),
    /** The number of messages in a row after which the consumer stopped; null if an earlier version stored the stop. */
    stoppedAfter: integer('stopped_after'),
  },
  (table) => [primaryKey({ columns: [table.topic, table.group] })],
);
