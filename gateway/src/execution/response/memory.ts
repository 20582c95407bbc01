/** Estimated memory of a field's compiled form in bytes. It includes the shape, the prefix and the selections. */
const bytesPerField = 300;

/**
 * Returns how many compiled fields are kept per operation. A field is compiled once per object type in which it occurs.
 * The factor 2 leaves room for fields that occur in several types. Fields beyond this number are compiled again for
 * each use.
 */
export function maxKeptFields(selections: number): number {
  return 20 + 2 * selections;
}

/**
 * Estimates the memory of a compiled operation in bytes, for the cache of plans. The plan's own memory is not included.
 */
export function bytesOfCompiled(selections: number): number {
  return bytesPerField * maxKeptFields(selections);
}
