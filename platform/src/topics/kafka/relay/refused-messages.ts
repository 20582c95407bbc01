import { eq, sql } from 'drizzle-orm';
import { outbox, parkedMessage } from '../../../database/tables.ts';
import type { Database } from '../../../database.ts';
import { errorCode } from '../../../errors.ts';
import type { Log } from '../../../process/log.ts';
import { parkMessage } from '../../parked-messages.ts';

/** Name of the group under which rejected messages are parked. The group belongs to the relay, not to a consumer. */
const outboxGroup = 'outbox';

type OutboxRow = typeof outbox.$inferSelect;

/**
 * Moves a rejected message from the outbox to the parked messages, with the broker's error. The message stays there
 * until an operator replays it.
 */
export async function parkRefused(database: Database, row: OutboxRow, error: unknown, log: Log): Promise<void> {
  const { id, topic, key, value, headers } = row;
  const refused = { key, value, headers, partition: 0, position: id, publishedAt: database.now() };
  await database.transaction(async (tx) => {
    await parkMessage(tx, { topic, group: outboxGroup, ...refused, error, isKept: true });
    await tx.delete(outbox).where(eq(outbox.id, id));
  });
  const fields = { code: errorCode(error), topic, outboxId: id, requestId: requestIdOf(value), error };
  log.error(fields, 'the broker rejected a message: it is parked, and later ones are sent');
}

/** Returns messages to the outbox once an operator has replayed them. The relay then sends them. */
export async function returnReplayed({ query }: Database): Promise<void> {
  await query.execute(sql`
    with returned as (
      delete from ${parkedMessage} where consumer_group = ${outboxGroup} and retry_at <= now()
      returning topic, message::json as message
    )
    insert into ${outbox} (topic, key, value, headers)
    select topic, message ->> 'key', message ->> 'value', (message -> 'headers')::jsonb from returned`);
}

/** Reads the request id from a message's value, if the value has one. No other part of a value may be logged. */
function requestIdOf(value: string): string | undefined {
  const requestId = (JSON.parse(value) as { requestId?: unknown } | null)?.requestId;
  return typeof requestId === 'string' ? requestId : undefined;
}
