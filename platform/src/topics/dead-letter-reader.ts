import { and, asc, gt, like } from 'drizzle-orm';
import { topicMessage } from '../database/tables.ts';
import type { Database } from '../database.ts';
import { deadLetterName } from '../topics.ts';
import type { RawMessage } from './message.ts';

/** A message in a dead-letter topic. */
export interface DeadLetter extends RawMessage {
  /** The name of the dead-letter topic, with its suffix. */
  topic: string;
}

/** Reads all messages that are in dead-letter topics at the time of the call, oldest first within each partition. */
export type ReadDeadLetters = (onLetter: (letter: DeadLetter) => void) => Promise<void>;

const readAtOnce = 100;

/** Creates the reader for the embedded engines. */
export function embeddedDeadLetters(database: Database): ReadDeadLetters {
  return async (onLetter) => {
    let after = 0;
    for (;;) {
      const rows = await database.query
        .select()
        .from(topicMessage)
        .where(and(like(topicMessage.topic, `%${deadLetterName('')}`), gt(topicMessage.id, after)))
        .orderBy(asc(topicMessage.id))
        .limit(readAtOnce);
      for (const { id, publishedAt, ...row } of rows)
        onLetter({ ...row, partition: 0, position: id, publishedAt: publishedAt.getTime() });
      const last = rows.at(-1);
      if (!last || rows.length < readAtOnce) return;
      after = last.id;
    }
  };
}
