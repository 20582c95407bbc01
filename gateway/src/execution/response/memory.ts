/** Estimated memory of a field's compiled form in bytes: shape, prefix and selections. */
const bytesPerField = 300;

/**
 * Returns how many compiled fields are kept per operation. Twice the selections leaves room for objects of several
 * types. Fields beyond this number are compiled again for each use.
 */
export function maxKeptFields(selections: number): number {
  return 20 + 2 * selections;
}

/** Estimates the memory of a compiled operation in bytes, without its plan, for the cache that keeps both. */
export function bytesOfCompiled(selections: number): number {
  return bytesPerField * maxKeptFields(selections);
}
