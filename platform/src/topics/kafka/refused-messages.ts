import { eq, sql } from 'drizzle-orm';
import type { Database } from '../../database.ts';
import { errorCode } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { outbox, parkedMessage } from '../../tables.ts';
import { parkMessage } from '../parked-messages.ts';

/** The group under which messages are parked that the broker refuses: the relay's, and no consumer's. */
const outboxGroup = 'outbox';

type OutboxRow = typeof outbox.$inferSelect;

/** Takes a message that the broker refuses out of the outbox, and parks it with its cause until an operator replays it. */
export async function parkRefused(database: Database, row: OutboxRow, error: unknown, log: Log): Promise<void> {
  const { id, topic, key, value, headers } = row;
  const refused = { key, value, headers, partition: 0, position: id, publishedAt: database.now() };
  await database.transaction(async (tx) => {
    await parkMessage(tx, { topic, group: outboxGroup, ...refused, error, isKept: true });
    await tx.delete(outbox).where(eq(outbox.id, id));
  });
  const fields = { code: errorCode(error), topic, outboxId: id, requestId: requestIdOf(value), error };
  log.error(fields, 'the broker refuses a message: it is parked, and those after it are sent');
}

/** Gives messages back to the outbox that an operator replays: the relay sends them next. */
export async function returnReplayed({ query }: Database): Promise<void> {
  await query.execute(sql`
    with returned as (
      delete from ${parkedMessage} where consumer_group = ${outboxGroup} and retry_at <= now()
      returning topic, message::json as message
    )
    insert into ${outbox} (topic, key, value, headers)
    select topic, message ->> 'key', message ->> 'value', (message -> 'headers')::jsonb from returned`);
}

/** Which request it is about, where it says so: a value holds what no line may. */
function requestIdOf(value: string): string | undefined {
  const requestId = (JSON.parse(value) as { requestId?: unknown } | null)?.requestId;
  return typeof requestId === 'string' ? requestId : undefined;
}
