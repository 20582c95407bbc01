/** Memory of a field's compiled form in bytes, estimated: its shape, its prefix and its selections. */
const bytesPerField = 300;

/**
 * The fields of an operation whose compiled form is kept. Twice the selections leaves room for objects of several types;
 * what is beyond is compiled for each use.
 */
export function maxKeptFields(selections: number): number {
  return 20 + 2 * selections;
}

/** The memory of a compiled operation in bytes, besides its plan: an estimate for the cache that keeps both. */
export function bytesOfCompiled(selections: number): number {
  return bytesPerField * maxKeptFields(selections);
}
