import { bigint, bigserial, index, jsonb, pgSchema, primaryKey, text, timestamp, uuid } from 'drizzle-orm/pg-core';

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
