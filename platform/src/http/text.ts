import { CodedError } from '../errors.ts';

/** The path to a string inside a JSON value, such as `['input', 'codes', '0']`. */
export type ValuePath = readonly string[];

/**
 * Finds text that databases and UTF-8 can't store: NUL (U+0000) or a lone surrogate, in any string or key of a JSON
 * value. It uses no recursion, because a value may be nested as deeply as JSON.parse allows.
 *
 * @returns the path of the invalid string, or of the object with the invalid key; null if all text is valid
 */
export function findInvalidText(value: unknown): ValuePath | null {
  if (typeof value === 'string') return isValidText(value) ? null : [];
  if (!isContainer(value)) return null;
  const open = [enter(value)];
  for (let part = open.at(-1); part; part = open.at(-1)) {
    const key = part.keys[part.next];
    part.next += 1;
    if (key === undefined) {
      open.pop();
      continue;
    }
    const child = part.container[key];
    const isKeyValid = isValidText(key);
    if (!isKeyValid || (typeof child === 'string' && !isValidText(child))) return pathOf(open, isKeyValid);
    if (isContainer(child)) open.push(enter(child));
  }
  return null;
}

/**
 * Throws if a string or key of the value, at any depth, is invalid text (see `findInvalidText`).
 *
 * @throws CodedError BAD_USER_INPUT with the path as `argument`
 */
export function assertValidText(value: unknown): void {
  const path = findInvalidText(value);
  if (path) throw invalidText(path.join('.'));
}

/** Creates the error for invalid text. `argument` is its path, empty for the whole value. */
export function invalidText(argument: string): CodedError {
  return new CodedError('BAD_USER_INPUT', 'Text may hold neither NUL (U+0000) nor a lone surrogate.', {
    details: argument === '' ? {} : { argument },
  });
}

interface OpenPart {
  container: Readonly<Record<string, unknown>>;
  keys: readonly string[];
  /** Index of the next key to check. */
  next: number;
}

function enter(container: object): OpenPart {
  return { container: container as OpenPart['container'], keys: Object.keys(container), next: 0 };
}

/**
 * Returns the path of keys to the value that is being checked. Without `withLast`, the last key is left out, because
 * that key itself is invalid text.
 */
function pathOf(open: readonly OpenPart[], withLast: boolean): ValuePath {
  const path = open.map(({ keys, next }) => keys[next - 1] ?? '');
  return withLast ? path : path.slice(0, -1);
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isValidText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
