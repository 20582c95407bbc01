import { tooComplex } from '../../request/limits.ts';
import type { ResponsePath } from '../data/paths.ts';

/** The limit of a response. */
export interface ResponseLimit {
  maxBytes: number;
  /** Called when the limit is exceeded. It throws, unless limits are only measured. */
  exceed(): void;
}

/** A limit that is only measured is enforced at this multiple: nothing else bounds what is written. */
const measuredTimes = 20;
/** The engine can't build a text of twice this length. */
const maxLength = 268_435_456;

/** Values that do not match their fields are reported up to this number. */
export const maxProblems = 100;

/** The state of writing one response: where it is, how much is written, and what did not match. */
export class Output {
  /** The path of the value that is written: the first `depth` steps. */
  readonly path: (string | number)[] = [];
  depth = 0;
  /** Paths of values that do not match their fields. */
  readonly problems: ResponsePath[] = [];
  #length = 0;
  #maxLength: number;
  readonly #limit: ResponseLimit | null;

  constructor(limit: ResponseLimit | null) {
    this.#limit = limit;
    this.#maxLength = limit?.maxBytes ?? maxLength;
  }

  /** Reports the current value. */
  report(): void {
    if (this.problems.length < maxProblems) this.problems.push(this.path.slice(0, this.depth));
  }

  /** Counts what is written, in characters: there are at least as many bytes. */
  count(length: number): void {
    this.#length += length;
    if (this.#length > this.#maxLength) this.#exceed();
  }

  #exceed(): void {
    const { maxBytes = maxLength, exceed } = this.#limit ?? {};
    if (!exceed || this.#maxLength > maxBytes) throw tooComplex('MAX_RESPONSE_BYTES', maxBytes);
    exceed();
    // Limits are only measured.
    this.#maxLength = Math.min(measuredTimes * maxBytes, maxLength);
  }
}
