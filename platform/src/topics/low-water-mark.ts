import type { Place } from '../topics.ts';

/**
 * The place through which everything is finished, though work finishes in any order. Positions are
 * taken in growing order, with gaps.
 */
export interface LowWaterMark {
  /** Notes that the message is in work; `bytes` is what it takes in memory until it is finished. */
  take(message: Required<Place>, bytes?: number): void;
  /** Notes that the message at `position` is finished. */
  finish(position: number): void;
  /** The place through which everything taken is finished, `position` counted as finished. */
  through(position?: number): Place;
  /** Messages that it keeps: those not finished, and finished ones after one that is not. */
  readonly size: number;
  /** Bytes of those that are not finished. */
  readonly bytes: number;
}

/** @param start position of the last message that is finished */
export function createLowWaterMark(start: number): LowWaterMark {
  // A Map keeps the order of insertion, which is the order of positions.
  const taken = new Map<number, { place: Place; bytes: number; isFinished: boolean }>();
  let mark: Place = { position: start };
  let unfinishedBytes = 0;
  return {
    take({ position, publishedAt }, bytes = 0) {
      taken.set(position, { place: { position, publishedAt }, bytes, isFinished: false });
      unfinishedBytes += bytes;
    },
    finish(position) {
      const message = taken.get(position);
      if (!message || message.isFinished) return;
      message.isFinished = true;
      unfinishedBytes -= message.bytes;
      for (const { place, isFinished } of taken.values()) {
        if (!isFinished) break;
        mark = place;
        taken.delete(place.position);
      }
    },
    through(position) {
      if (position === undefined) return mark;
      let through = mark;
      for (const { place, isFinished } of taken.values()) {
        if (!isFinished && place.position !== position) break;
        through = place;
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
