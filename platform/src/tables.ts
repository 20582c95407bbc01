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
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';

/** The ports' own tables. */
export const platformSchema = pgSchema('platform');

/** The embedded topics: one log of all messages. `id` is the position. */
export const topicMessage = platformSchema.table(
  'topic_message',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    topic: text().notNull(),
    key: text().notNull(),
    /** JSON as text: the same bytes come out as went in, and one that does not parse can be told. */
    value: text().notNull(),
    headers: jsonb().$type<Record<string, string>>().notNull(),
    publishedAt: timestamp('published_at', { withTimezone: true, precision: 3, mode: 'date' }).notNull(),
  },
  (table) => [
    index('topic_message_by_topic').on(table.topic, table.id),
    index('topic_message_by_age').on(table.publishedAt),
  ],
);

/** Through where a group has finished a topic. */
export const topicPosition = platformSchema.table(
  'topic_position',
  {
    topic: text().notNull(),
    group: text('consumer_group').notNull(),
    position: bigint({ mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.topic, table.group] })],
);

/** What is to be sent to the broker: written in the publisher's transaction, removed once the broker has it. */
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

/** Who does what one process alone may do, and until when. */
export const lease = platformSchema.table('lease', {
  name: text().primaryKey(),
  /** One per process and start. */
  holder: uuid().notNull(),
  expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3, mode: 'date' }).notNull(),
});

/** The embedded key-value store. */
export const keyValueEntry = platformSchema.table(
  'key_value',
  {
    key: text().primaryKey(),
    value: text().notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3, mode: 'date' }).notNull(),
  },
  (table) => [index('key_value_by_expiry').on(table.expiresAt)],
);

/** Messages whose group could not handle them for longer than a limit: its committed position has passed them. */
export const parkedMessage = platformSchema.table(
  'parked_message',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    topic: text().notNull(),
    group: text('consumer_group').notNull(),
    /** Of the key, which a stranger may have made too long for an index. */
    keyHash: text('key_hash').notNull(),
    partition: integer().notNull(),
    position: bigint({ mode: 'number' }).notNull(),
    /** Milliseconds since the epoch, as the broker has it. */
    publishedAt: bigint('published_at', { mode: 'number' }).notNull(),
    /** Key, value and headers as JSON: as text they may hold what PostgreSQL does not store. */
    message: text().notNull(),
    errorCode: text('error_code').notNull(),
    errorMessage: text('error_message').notNull(),
    /** Retries since it was parked. */
    attempts: integer().notNull().default(0),
    /** From dead-letter, by an operator: the group has passed it long ago. */
    isReplay: boolean('is_replay').notNull().default(false),
    parkedAt: timestamp('parked_at', { withTimezone: true, precision: 3, mode: 'date' }).notNull().defaultNow(),
    /** Nobody else retries it before then. */
    retryAt: timestamp('retry_at', { withTimezone: true, precision: 3, mode: 'date' }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('parked_message_once').on(table.topic, table.group, table.partition, table.position, table.publishedAt),
    index('parked_message_by_key').on(table.topic, table.group, table.keyHash, table.id),
  ],
);

/** The groups that have consumed by this database: who may be told to retry a message. */
export const consumerGroup = platformSchema.table(
  'consumer_group',
  {
    topic: text().notNull(),
    group: text('consumer_group').notNull(),
    /** One of its processes has stopped, because too many messages in a row went to dead-letter. */
    hasStopped: boolean('has_stopped').notNull().default(false),
  },
  (table) => [primaryKey({ columns: [table.topic, table.group] })],
);
