import type { RequestedKeys } from './requested-keys.ts';

/** An object of a subgraph's response. Its keys are response keys, which clients choose: even `__proto__`. */
export type Data = Record<string, unknown>;

export function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether plain objects inherit something by this name, so that a value may be read only if it is the object's own. */
export function isInherited(key: string): boolean {
  return key in Object.prototype;
}

/** The object's own value, never an inherited one. */
export function readOwn(data: Data, key: string): unknown {
  return Object.hasOwn(data, key) ? data[key] : undefined;
}

/** Sets the object's own value. An assignment to `__proto__` would replace the prototype. */
export function setOwn(data: Data, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(data, key, { value, enumerable: true, configurable: true, writable: true });
  else data[key] = value;
}

/**
 * Merges a response into what earlier ones have returned. Objects, and lists of the same length, are merged; any other
 * value replaces the earlier one. Parts of `source` become parts of `target`.
 *
 * @param requested what the response was asked for: nothing else replaces what others have returned. Default: anything
 */
export function mergeData(target: Data, source: Data, requested: RequestedKeys = null): void {
  for (const key in source) {
    const value = source[key];
    if (value === undefined) continue;
    // The usual case, which no inherited name is in: nothing was there before.
    if (target[key] === undefined) target[key] = value;
    else {
      const below = requested === null ? null : requested.get(key);
      if (below !== undefined) setOwn(target, key, mergeValue(readOwn(target, key), value, below));
    }
  }
}

/** Whether it has no objects and lists, so that merging it shares nothing. */
export function isFlat(data: Data): boolean {
  for (const key in data) if (typeof data[key] === 'object' && data[key] !== null) return false;
  return true;
}

function mergeValue(earlier: unknown, value: unknown, requested: RequestedKeys): unknown {
  if (typeof earlier !== 'object' || earlier === null || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(earlier)) {
    if (!Array.isArray(value) || value.length !== earlier.length) return value;
    for (let index = 0; index < value.length; index += 1)
      earlier[index] = mergeValue(earlier[index], value[index], requested);
    return earlier;
  }
  if (Array.isArray(value)) return value;
  mergeData(earlier as Data, value as Data, requested);
  return earlier;
}

/** Copies data, so that what is merged into the copy does not change the original. `count` is called per object and list. */
export function copyData<T>(value: T, count: () => void): T {
  if (typeof value !== 'object' || value === null) return value;
  count();
  if (Array.isArray(value)) return value.map((entry) => copyData(entry, count)) as T;
  const copy: Data = {};
  for (const key in value) setOwn(copy, key, copyData((value as Data)[key], count));
  return copy as T;
}
