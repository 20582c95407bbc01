/**
 * Computes the position up to which all messages are finished, although messages finish in any order. Positions are
 * added in increasing order, with gaps.
 */
export interface LowWaterMark {
  /** Adds the unfinished message at `position`; `bytes` is the memory that it takes until it is finished. */
  take(position: number, bytes?: number): void;
  finish(position: number): void;
  /** Returns the low-water mark, optionally with the message at `position` counted as finished. */
  through(position?: number): number;
  /** Number of tracked messages: unfinished messages, and finished messages that follow an unfinished message. */
  readonly size: number;
  /** Bytes of the unfinished messages. */
  readonly bytes: number;
}

/** @param start position of the last finished message */
export function createLowWaterMark(start: number): LowWaterMark {
  // A Map keeps insertion order, which is the order of positions.
  const taken = new Map<number, { bytes: number; isFinished: boolean }>();
  let mark = start;
  let unfinishedBytes = 0;
  return {
    take(position, bytes = 0) {
      taken.set(position, { bytes, isFinished: false });
      unfinishedBytes += bytes;
    },
    finish(position) {
      const message = taken.get(position);
      if (!message || message.isFinished) return;
      message.isFinished = true;
      unfinishedBytes -= message.bytes;
      for (const [at, { isFinished }] of taken) {
        if (!isFinished) break;
        mark = at;
        taken.delete(at);
      }
    },
    through(position) {
      if (position === undefined) return mark;
      let through = mark;
      for (const [at, { isFinished }] of taken) {
        if (!isFinished && at !== position) break;
        through = at;
      }
      return through;
    },
    get size() {
      return taken.size;
    },
    get bytes() {
      return unfinishedBytes;
    },
  };
}
