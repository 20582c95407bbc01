import type { GraphQLError } from 'graphql';
import { tooComplex } from '../../request/limits.ts';
import type { Data } from '../data/data.ts';
import type { ResponsePath } from '../data/paths.ts';

/** A fragment with `@defer` for one object type. It is compiled when it is first written. */
export interface DeferredFragment {
  /**
   * The name that `nameDeferred` gives the fragment, such as `F:0`. The fragment's label in the plan is this name with
   * a number: `F:0#3`.
   */
  name: string;
  /** The client's label; null if it has none. */
  label: string | null;
  /** Whether the object has a response key only because of this fragment. */
  adds(key: string): boolean;
  /** Writes the fragment's fields as JSON. Returns null if a non-null field has no value. */
  write(data: Data, output: Output): string | null;
}

/** A fragment with `@defer` for one object in the response. */
export interface Deferred {
  fragment: DeferredFragment;
  data: Data;
  path: ResponsePath;
  /** The errors of the fragment's fields that have occurred so far. */
  errors: GraphQLError[];
}

const none: readonly Deferred[] = [];

/** The limit of a response. */
export interface ResponseLimit {
  maxBytes: number;
  /** Called when the limit is exceeded. It throws, unless limits are only measured. */
  exceed(): void;
}

/**
 * With `OPERATION_LIMITS=measure` a response may exceed its limit. To bound memory, a response of more than
 * `measuredTimes` times the limit is refused.
 */
const measuredTimes = 20;
/** Maximum length without a limit: about half the length of V8's longest string. */
const maxLength = 268_435_456;

/** Maximum number of reported values that do not match the types of their fields. */
export const maxProblems = 100;

/** The state of writing one response: the current path, the length so far, and the values of wrong types. */
export class Output {
  /** The first `depth` entries of the array are the path of the current value. */
  readonly path: (string | number)[] = [];
  depth = 0;
  /** Paths of values that do not match the types of their fields. */
  #problems: ResponsePath[] = [];
  #deferred: Deferred[] | null = null;
  #length = 0;
  #maxLength: number;
  readonly #limit: ResponseLimit | null;

  constructor(limit: ResponseLimit | null) {
    this.#limit = limit;
    this.#maxLength = limit?.maxBytes ?? maxLength;
  }

  /** Reports that the current value does not match its field's type. */
  report(): void {
    if (this.#problems.length < maxProblems) this.#problems.push(this.path.slice(0, this.depth));
  }

  /** Returns the paths of values that do not match the types of their fields, and empties the list. */
  takeProblems(): readonly ResponsePath[] {
    const problems = this.#problems;
    this.#problems = [];
    return problems;
  }

  /**
   * Starts to write another part of the response, at this path. The limit of the response applies to all parts
   * together.
   */
  startPart(path: ResponsePath): void {
    this.path.splice(0, this.path.length, ...path);
    this.depth = path.length;
    this.#deferred = null;
  }

  /** Records the deferred fragments of the current object. */
  defer(fragments: readonly DeferredFragment[], data: Data): void {
    const path = this.path.slice(0, this.depth);
    const pathLength = path.reduce<number>((sum, step) => sum + (typeof step === 'string' ? step.length + 3 : 2), 0);
    for (const fragment of fragments) {
      // The path and the label of each deferred part also count, because the client gets them.
      this.count(30 + pathLength + (fragment.label?.length ?? 0));
      this.#deferred ??= [];
      this.#deferred.push({ fragment, data, path, errors: [] });
    }
  }

  /** The deferred fragments of the objects written so far. */
  get deferred(): readonly Deferred[] {
    return this.#deferred ?? none;
  }

  /**
   * Omits the deferred fragments of objects at the current path and below, because a value there is null. Fragments are
   * added in the order in which objects are written. So the omitted fragments are at the end of the list.
   */
  omitDeferred(): void {
    const deferred = this.#deferred;
    if (!deferred) return;
    for (let last = deferred.at(-1); last && this.#contains(last.path); last = deferred.at(-1)) deferred.pop();
  }

  /** Whether a path is the current one, or below it. */
  #contains(path: ResponsePath): boolean {
    for (let index = 0; index < this.depth; index += 1) if (path[index] !== this.path[index]) return false;
    return true;
  }

  /**
   * Adds to the response's length. The limit is in bytes, but characters are counted, because that is faster than
   * counting bytes. Each character takes at least one byte, so no response within the limit is refused.
   */
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
