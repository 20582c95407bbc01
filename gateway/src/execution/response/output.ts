import { tooComplex } from '../../request/limits.ts';
import type { ResponsePath } from '../data/paths.ts';

/** The limit of a response. */
export interface ResponseLimit {
  maxBytes: number;
  /** Called when the limit is exceeded. It throws, unless limits are only measured. */
  exceed(): void;
}

/**
 * If limits are only measured (`OPERATION_LIMITS=measure`), a response is still refused above this multiple of its
 * limit, to bound memory.
 */
const measuredTimes = 20;
/** About half the length of V8's longest string. */
const maxLength = 268_435_456;

/** Maximum number of reported values that do not match the types of their fields. */
export const maxProblems = 100;

/** The state of writing one response: the current path, the length so far, and the values of wrong types. */
export class Output {
  /** The first `depth` entries of the array are the path of the current value. */
  readonly path: (string | number)[] = [];
  depth = 0;
  /** Paths of values that do not match the types of their fields. */
  readonly problems: ResponsePath[] = [];
  #length = 0;
  #maxLength: number;
  readonly #limit: ResponseLimit | null;

  constructor(limit: ResponseLimit | null) {
    this.#limit = limit;
    this.#maxLength = limit?.maxBytes ?? maxLength;
  }

  /** Reports that the current value does not match its field's type. */
  report(): void {
    if (this.problems.length < maxProblems) this.problems.push(this.path.slice(0, this.depth));
  }

  /** Adds to the response's length. It counts characters, of which each takes at least one byte. */
  count(length: number): void {
    this.#length += length;
    if (this.#length > this.#maxLength) this.#exceed();
  }

  #exceed(): void {
    const { maxBytes = maxLength, exceed } = this.#limit ?? {};
    if (!exceed || this.#maxLength > maxBytes) throw tooComplex('MAX_RESPONSE_BYTES', maxBytes);
    exceed();
    // `exceed` did not throw: limits are only measured.
    this.#maxLength = Math.min(measuredTimes * maxBytes, maxLength);
  }
}
