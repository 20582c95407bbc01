/**
 * The position through which everything is finished, though work finishes in any order. Positions are
 * taken in growing order, with gaps.
 */
export interface LowWaterMark {
  /** Notes that the message at `position` is in work; `bytes` is what it takes in memory until it is finished. */
  take(position: number, bytes?: number): void;
  /** Notes that the message at `position` is finished. */
  finish(position: number): void;
  /** The position through which everything taken is finished, `position` counted as finished. */
  through(position?: number): number;
  /** Messages that it keeps: those not finished, and finished ones after one that is not. */
  readonly size: number;
  /** Bytes of those that are not finished. */
  readonly bytes: number;
}

/** @param start position of the last message that is finished */
export function createLowWaterMark(start: number): LowWaterMark {
  // A Map keeps the order of insertion, which is the order of positions.
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
