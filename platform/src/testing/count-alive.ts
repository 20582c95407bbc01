import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects garbage, and returns how many of the objects are still in memory. */
export function countAlive(references: readonly WeakRef<object>[]): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return references.filter((reference) => reference.deref() !== undefined).length;
}
