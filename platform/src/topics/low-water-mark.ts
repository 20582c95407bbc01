/**
 * The position through which everything is finished, though work finishes in any order. Positions are
 * taken in growing order, with gaps.
 */
export interface LowWaterMark {
  /** Notes that the message at `position` is in work. */
  take(position: number): void;
  /** Notes that it is finished. */
  finish(position: number): void;
  /** The position through which everything taken is finished, `position` counted as finished. */
  through(position?: number): number;
  /** Messages taken and not finished. */
  readonly inFlight: number;
}

export function createLowWaterMark(start: number): LowWaterMark {
  // A Map keeps the order of insertion, which is the order of positions.
  const taken = new Map<number, boolean>();
  let mark = start;
  let unfinished = 0;
  return {
    take(position) {
      taken.set(position, false);
      unfinished += 1;
    },
    finish(position) {
      if (taken.get(position) !== false) return;
      taken.set(position, true);
      unfinished -= 1;
      for (const [at, finished] of taken) {
        if (!finished) break;
        mark = at;
        taken.delete(at);
      }
    },
    through(position) {
      if (position === undefined) return mark;
      let through = mark;
      for (const [at, finished] of taken) {
        if (!finished && at !== position) break;
        through = at;
      }
      return through;
    },
    get inFlight() {
      return unfinished;
    },
  };
}
