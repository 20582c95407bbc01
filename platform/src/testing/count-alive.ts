import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects garbage, and returns how many of the objects are still in memory. */
export function countAlive(references: readonly WeakRef<object>[]): number {
  collectGarbage();
  return references.filter((reference) => reference.deref() !== undefined).length;
}

export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}
