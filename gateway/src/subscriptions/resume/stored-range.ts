import { decodeCursor } from '@voucher-gateway/schema/cursor';
import { idOf, type TopicMessage } from '../topic/message.ts';

/**
 * A subscriber that resumes first gets events from the store, and then messages of the topic. This class recognises
 * messages whose events it got from the store: they are stored at or before the cursor.
 */
export class StoredRange {
  readonly #cursor: string;
  readonly #isStored: (id: string, cursor: string) => Promise<boolean>;
  /**
   * Partitions in which a message after the cursor was seen. All later messages of these partitions are also after the
   * cursor.
   */
  readonly #passed = new Set<number>();

  /** @param isStored whether the store has the message with this id, at or before the cursor */
  constructor(cursor: string, isStored: (id: string, cursor: string) => Promise<boolean>) {
    this.#cursor = cursor;
    this.#isStored = isStored;
  }

  /**
   * Returns those of the messages that are after the cursor. The store's rows have the same order as the messages of a
   * partition. Once a message of a partition is after the cursor, all later messages of the partition are too. These
   * later messages are not looked up in the store.
   */
  async skipStored(messages: readonly TopicMessage[]): Promise<readonly TopicMessage[]> {
    const cursorId = decodeCursor(this.#cursor)?.id ?? null;
    if (cursorId === null) return messages;
    const atCursor = messages.findIndex((message) => idOf(message) === cursorId);
    const kept: TopicMessage[] = [];
    for (const [index, message] of messages.entries()) {
      const { partition } = message;
      if (!this.#passed.has(partition)) {
        const id = idOf(message);
        const isUpToCursor =
          partition === messages[atCursor]?.partition
            ? index <= atCursor
            : id !== null && (await this.#isStored(id, this.#cursor));
        if (isUpToCursor) continue;
        this.#passed.add(partition);
      }
      kept.push(message);
    }
    return kept;
  }
}
