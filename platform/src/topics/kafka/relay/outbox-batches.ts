import { asc, eq } from 'drizzle-orm';
import { isAnyId } from '../../../database/rows.ts';
import { outbox } from '../../../database/tables.ts';
import type { Database } from '../../../database.ts';
import { isCodedError, type PlatformErrorCode } from '../../../errors.ts';
import type { Log } from '../../../process/log.ts';
import type { KafkaProducer } from '../connection/producer.ts';
import { parkRefused } from './refused-messages.ts';

/**
 * The header with the id of a message's outbox row. Readers can find duplicates by this header. A message is sent twice
 * if a relay crashes between sending it and deleting its row.
 */
export const outboxIdHeader = 'outbox-id';

const sendAtOnce = 500;
/** Limit of bytes per batch, because brokers accept only batches up to a size, by default 1 MiB. */
const sendBytesAtOnce = 700_000;

export interface BatchSenderOptions {
  database: Database;
  producer: KafkaProducer;
  /**
   * Whether this process is still the relay of the topic. While this process was frozen, another process may have
   * become the relay and sent the messages.
   */
  isLeader(topic: string): boolean;
  log: Log;
}

/**
 * Creates the function that sends the next batch of a topic and deletes its rows. The function resolves with true if
 * more messages wait.
 */
export function createBatchSender({ database, producer, isLeader, log }: BatchSenderOptions) {
  /**
   * Reduced limits of bytes per batch, by topic. Only topics with a batch that the broker rejected as too large are
   * included.
   */
  const bytesByTopic = new Map<string, number>();

  /** Halves the topic's batch size after a rejection. Parks the message if the rejected batch has only one message. */
  const shrinkBatch = async (topic: string, rows: OutboxRow[], error: Error, bytesAtOnce: number): Promise<void> => {
    const [first] = rows;
    if (rows.length > 1 || !first) return void bytesByTopic.set(topic, bytesAtOnce / 2);
    await parkRefused(database, first, error, log);
    bytesByTopic.delete(topic);
  };

  return async (topic: string): Promise<boolean> => {
    const unsent = await database.query
      .select()
      .from(outbox)
      .where(eq(outbox.topic, topic))
      .orderBy(asc(outbox.id))
      .limit(sendAtOnce);
    const bytesAtOnce = bytesByTopic.get(topic) ?? sendBytesAtOnce;
    const rows = takeBatch(unsent, bytesAtOnce);
    if (rows.length === 0 || !isLeader(topic)) return false;
    try {
      await producer.send(rows.map((row) => toMessage(topic, row)));
    } catch (error) {
      if (!isCodedError<PlatformErrorCode>(error, 'TOPIC_VALUE_TOO_LARGE')) throw error;
      await shrinkBatch(topic, rows, error, bytesAtOnce);
      return true;
    }
    const ids = rows.map(({ id }) => id);
    await database.query.delete(outbox).where(isAnyId(outbox.id, ids, 'bigint'));
    return rows.length < unsent.length || unsent.length === sendAtOnce;
  };
}

type OutboxRow = typeof outbox.$inferSelect;

function toMessage(topic: string, { id, key, value, headers }: OutboxRow) {
  return { topic, key, value, headers: { ...headers, [outboxIdHeader]: String(id) } };
}

/** Returns the first rows that fit into one batch, at least one. */
function takeBatch(rows: OutboxRow[], bytesAtOnce: number): OutboxRow[] {
  let bytes = 0;
  const end = rows.findIndex(({ value }, index) => {
    bytes += Buffer.byteLength(value) + 512;
    return index > 0 && bytes > bytesAtOnce;
  });
  return end === -1 ? rows : rows.slice(0, end);
}
