import type { topicMessage } from '../../database/tables.ts';
import type { Transaction } from '../../database.ts';
import type { RawMessage } from '../message.ts';

/** A row of the log, with an unchecked value. */
export type LoggedMessage = typeof topicMessage.$inferSelect;

/** Access to the message log for consumer groups and tails. */
export interface MessageLog {
  /** Reads at most `limit` messages after a position, oldest first. */
  read(topic: string, after: number, limit: number): Promise<LoggedMessage[]>;
  /** Calls `onNotify` when there may be new messages: after a commit, and periodically. */
  listen(topic: string, onNotify: () => void): Disposable;
  append(
    tx: Transaction,
    topic: string,
    messages: readonly { key: string; value: string; headers: Record<string, string> }[],
  ): Promise<void>;
}

/** Number of the only partition of an embedded topic. */
export const partition = 0;

/** Converts a row to the form that both adapters use. */
export function toRawMessage({ id, key, value, headers, publishedAt }: LoggedMessage): RawMessage {
  return { key, value, headers, partition, position: id, publishedAt: publishedAt.getTime() };
}
