import type { Place } from '../topics.ts';

/**
 * The place through which everything is finished, though work finishes in any order. Positions are
 * taken in growing order, with gaps.
 */
export interface LowWaterMark {
  /** Notes that the message is in work. */
  take(message: Required<Place>): void;
  /** Notes that the message at `position` is finished. */
  finish(position: number): void;
  /** The place through which everything taken is finished, `position` counted as finished. */
  through(position?: number): Place;
  /** Messages taken and not finished. */
  readonly inFlight: number;
}

/** @param start position of the last message that is finished */
export function createLowWaterMark(start: number): LowWaterMark {
  // A Map keeps the order of insertion, which is the order of positions.
  const taken = new Map<number, { place: Place; isFinished: boolean }>();
  let mark: Place = { position: start };
  let unfinished = 0;
  return {
    take({ position, publishedAt }) {
      taken.set(position, { place: { position, publishedAt }, isFinished: false });
      unfinished += 1;
    },
    finish(position) {
      const message = taken.get(position);
      if (!message || message.isFinished) return;
      message.isFinished = true;
      unfinished -= 1;
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
    get inFlight() {
      return unfinished;
    },
  };
}
