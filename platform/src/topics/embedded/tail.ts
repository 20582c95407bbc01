import { asc, desc, eq } from 'drizzle-orm';
import { createCoalesced } from '../../async/coalesce.ts';
import { topicMessage } from '../../database/tables.ts';
import type { Database } from '../../database.ts';
import type { Log } from '../../process/log.ts';
import type { Message, Tail, TailOptions } from '../../topics.ts';
import { checkMessage } from '../message.ts';
import { type MessageLog, partition, toRawMessage } from './message-log.ts';

const readAtOnce = 500;

export async function startTail<Value>(
  { topic, from, onMessage }: TailOptions<Value>,
  { database, messages, log }: { database: Database; messages: MessageLog; log: Log },
): Promise<Tail> {
  const newest = async (offset: number) => {
    const rows = await database.query
      .select({ id: topicMessage.id })
      .from(topicMessage)
      .where(eq(topicMessage.topic, topic.name))
      .orderBy(desc(topicMessage.id))
      .offset(offset)
      .limit(1);
    return rows[0]?.id;
  };
  const end = (await newest(0)) ?? 0;
  const oldestKept = await messages.read(topic.name, 0, 1);
  const beforeOldest = (oldestKept[0]?.id ?? 1) - 1;
  // All topics share one sequence of positions, so the position of this topic's oldest message does not show whether
  // older messages existed. Retention has deleted messages if the oldest message of all topics is not at position 1.
  const lost = await database.query
    .select({ id: topicMessage.id })
    .from(topicMessage)
    .orderBy(asc(topicMessage.id))
    .limit(1);
  const floor = (lost[0]?.id ?? 1) > 1 ? beforeOldest : 0;
  let position: number;
  if (from === 'now') position = end;
  else if ('last' in from) position = (await newest(from.last)) ?? floor;
  else position = Math.max(from.after[partition] ?? 0, floor);
  const coversAfter = position;

  let stopped = false;
  let reading: Promise<void> | null = null;
  let again = false;
  const readNew = async () => {
    for (;;) {
      const rows = await messages.read(topic.name, position, readAtOnce);
      for (const row of rows) {
        if (stopped) return;
        position = row.id;
        let message: Message<Value>;
        try {
          message = checkMessage(topic, toRawMessage(row));
        } catch (error) {
          log.warn({ error, topic: topic.name, position }, 'a tail skips a message that does not parse');
          continue;
        }
        onMessage(message);
      }
      if (rows.length < readAtOnce) return;
    }
  };
  await readNew();
  const waiting = new Set<() => void>();
  const notify = () => {
    if (stopped) return;
    if (reading) {
      again = true;
      return;
    }
    again = false;
    reading = readNew()
      .catch((error: unknown) => log.warn({ error, topic: topic.name }, 'a tail could not read; it retries'))
      .finally(() => {
        reading = null;
        for (const look of waiting) look();
        if (again) notify();
      });
  };
  const listening = messages.listen(topic.name, notify);
  notify();
  // The newest message may be before `position`, because retention may have deleted messages that were already read.
  const newestOfAll = createCoalesced(async () => Math.max((await newest(0)) ?? 0, position));
  return {
    startedAt: { [partition]: end },
    coversAfter: { [partition]: coversAfter },
    async caughtUp() {
      const until = await newestOfAll();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => {
        if (position >= until) resolve();
        else if (stopped) reject(new Error('the tail is closed'));
        else notify();
      };
      waiting.add(look);
      look();
      await promise.finally(() => waiting.delete(look));
      return { [partition]: until };
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      for (const look of waiting) look();
      listening[Symbol.dispose]();
      await reading;
    },
  };
}
