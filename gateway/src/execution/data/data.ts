import type { RequestedKeys } from './requested-keys.ts';

/** An object in a subgraph's response. Its keys may be aliases that the client chose, even `__proto__`. */
export type Data = Record<string, unknown>;

export function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Whether plain objects inherit a property with this name (`toString`, for example). For these names, only an object's
 * own property may be read.
 */
export function isInherited(key: string): boolean {
  return key in Object.prototype;
}

/** Reads a property of the object; undefined for an inherited property. */
export function readOwn(data: Data, key: string): unknown {
  return Object.hasOwn(data, key) ? data[key] : undefined;
}

/**
 * Sets a property of the object. It uses `Object.defineProperty`, because an assignment to `__proto__` would replace
 * the prototype.
 */
export function setOwn(data: Data, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(data, key, { value, enumerable: true, configurable: true, writable: true });
  else data[key] = value;
}

/**
 * Called if a value would replace an object or list that was already sent to the client. The sent object or list is
 * kept.
 */
export type OnConflict = () => void;

/**
 * Merges a response into the data of earlier responses. Objects, and lists of the same length, are merged; any other
 * value replaces the earlier one. Nested objects are not copied: `target` may then contain objects of `source`.
 *
 * @param requested the response keys that the request selected: only these keys may replace earlier data. Default: all
 *   keys
 * @param onConflict called if a value can't be merged with an earlier object or list. The earlier object or list is
 *   then kept. Without `onConflict`, the value replaces it. Default: null
 */
export function mergeData(
  target: Data,
  source: Data,
  requested: RequestedKeys = null,
  onConflict: OnConflict | null = null,
): void {
  for (const key in source) {
    const value = source[key];
    if (value === undefined) continue;
    // The usual case: `target` has no value for this key, neither its own nor one of `Object.prototype` (`toString`).
    if (target[key] === undefined) target[key] = value;
    else {
      const below = requested === null ? null : requested.get(key);
      if (below !== undefined) setOwn(target, key, mergeValue(readOwn(target, key), value, below, onConflict));
    }
  }
}

/**
 * Whether all values of the object are scalars or null. An object with nested values must be copied before it is merged
 * into several objects. Otherwise these objects would share the nested values.
 */
export function isFlat(data: Data): boolean {
  for (const key in data) if (typeof data[key] === 'object' && data[key] !== null) return false;
  return true;
}

function mergeValue(
  earlier: unknown,
  value: unknown,
  requested: RequestedKeys,
  onConflict: OnConflict | null,
): unknown {
  if (typeof earlier !== 'object' || earlier === null) return value;
  if (typeof value !== 'object' || value === null) return replace(earlier, value, onConflict);
  if (Array.isArray(earlier)) {
    if (!Array.isArray(value) || value.length !== earlier.length) return replace(earlier, value, onConflict);
    for (let index = 0; index < value.length; index += 1)
      earlier[index] = mergeValue(earlier[index], value[index], requested, onConflict);
    return earlier;
  }
  if (Array.isArray(value)) return replace(earlier, value, onConflict);
  mergeData(earlier as Data, value as Data, requested, onConflict);
  return earlier;
}

function replace(earlier: object, value: unknown, onConflict: OnConflict | null): unknown {
  if (!onConflict) return value;
  onConflict();
  return earlier;
}

/**
 * Copies data deeply, so that merging into the copy does not change the original.
 *
 * @param count called for each copied object and list
 */
export function copyData<T>(value: T, count: () => void): T {
  if (typeof value !== 'object' || value === null) return value;
  count();
  if (Array.isArray(value)) return value.map((entry) => copyData(entry, count)) as T;
  const copy: Data = {};
  for (const key in value) setOwn(copy, key, copyData((value as Data)[key], count));
  return copy as T;
}
