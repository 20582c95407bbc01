import type { GraphQLError } from 'graphql';
import type { ResponsePath } from '../data/paths.ts';
import type { Deferred, Output } from './output.ts';
import { inAnyEntry, keyOf, problemErrors } from './problems.ts';

/** The value of a deferred fragment for one object. */
export interface DeferredPart {
  /** The client's label; null if it has none. */
  label: string | null;
  path: ResponsePath;
  /** The JSON text of the fragment's fields, or `null`. */
  dataJson: string;
  errors: readonly GraphQLError[];
}

/** Deferred parts that are ready at the same time, and are sent in one payload. */
export interface DeferredChunk {
  parts: readonly DeferredPart[];
  /** Whether another chunk follows. */
  hasNext: boolean;
}

export interface DeferredPartsOptions {
  output: Output;
  /** The deferred fragments of the primary part. */
  deferred: readonly Deferred[];
  /** The errors of the primary part. */
  errors: readonly GraphQLError[];
  /**
   * Waits for the requests of a deferred fragment. Resolves to a function that returns the errors of these requests.
   * Rejects if the operation failed.
   *
   * An error must be reported only once. So the function returns the errors at its first call, and an empty list at
   * later calls.
   */
  fetched(name: string): Promise<() => readonly GraphQLError[]>;
}

/**
 * Writes each deferred part when its requests are done. A part may contain further deferred fragments, which follow in
 * later parts.
 *
 * @throws the errors of `fetched`; the error that `ResponseLimit.exceed` throws
 */
export async function* writeDeferred({
  output,
  deferred,
  errors: primaryErrors,
  fetched,
}: DeferredPartsOptions): AsyncGenerator<DeferredChunk, void, void> {
  const known = [...primaryErrors];
  const waiting = new Map<string, Deferred[]>();
  const ready = new Map<string, () => readonly GraphQLError[]>();
  const fetching = new Map<string, Promise<unknown>>();
  const add = (all: readonly Deferred[]) => {
    for (const each of all) {
      const { name } = each.fragment;
      const same = waiting.get(name);
      if (same) same.push(each);
      else waiting.set(name, [each]);
      if (fetching.has(name)) continue;
      const done = fetched(name).then((readErrors) => ready.set(name, readErrors));
      // If `fetched` rejects, the loop below throws the error. This handler prevents an unhandled rejection if the
      // client disconnects before the loop awaits `done`.
      done.catch(() => {});
      fetching.set(name, done);
    }
  };

  add(deferred);
  while (waiting.size > 0) {
    await Promise.race([...waiting.keys()].map((name) => fetching.get(name)));
    const written: { each: Deferred; dataJson: string }[] = [];
    for (const [name, readErrors] of ready) {
      const all = waiting.get(name);
      if (!all) continue;
      waiting.delete(name);
      const rest = assignErrors(readErrors(), all, () => true);
      all[0]?.errors.push(...rest);
      for (const each of all) {
        output.startPart(each.path);
        const dataJson = each.fragment.write(each.data, output) ?? 'null';
        written.push({ each, dataJson });
        const nested = output.deferred;
        each.errors = assignErrors(each.errors, nested, addsField);
        add(nested);
      }
    }
    for (const { each } of written) known.push(...each.errors);
    const problems = problemErrors(output.takeProblems(), known);
    assignErrors(
      problems,
      written.map(({ each }) => each),
      () => true,
    );
    known.push(...problems);
    const parts = written.map(({ each: { fragment, path, errors }, dataJson }) => ({
      label: fragment.label,
      path,
      dataJson,
      errors,
    }));
    if (parts.length > 0) yield { parts, hasNext: waiting.size > 0 };
  }
}

/** Maximum number of deferred fragments that an error is compared with, if all of them have the same path. */
const maxCandidates = 100;

/**
 * Adds each error to the innermost deferred fragment that contains the error's path. Returns the errors that belong to
 * no deferred fragment.
 *
 * @param accepts whether an error may be added to a fragment; `key` is the element of the error's path after the
 *   fragment's path
 */
export function assignErrors(
  errors: readonly GraphQLError[],
  deferred: readonly Deferred[],
  accepts: (to: Deferred, key: string | number | undefined) => boolean,
): GraphQLError[] {
  if (errors.length === 0 || deferred.length === 0) return [...errors];
  const byPath = new Map<string, Deferred[]>();
  for (const each of deferred)
    for (const key of new Set([keyOf(each.path), keyOf(inAnyEntry(each.path))])) {
      const known = byPath.get(key);
      if (!known) byPath.set(key, [each]);
      // An error about all items of a list goes to the first item.
      else if (known.length < maxCandidates && !known.some(({ fragment }) => fragment === each.fragment))
        known.push(each);
    }
  return errors.filter((error) => {
    const { path } = error;
    if (!path) return true;
    for (let length = path.length; length >= 0; length -= 1) {
      const to = byPath.get(keyOf(path.slice(0, length)))?.find((each) => accepts(each, path[length]));
      if (!to) continue;
      to.errors.push(error);
      return false;
    }
    return true;
  });
}

/**
 * Whether `key` is a field that the object has only because of the deferred fragment.
 *
 * @param key the element of an error's path after the fragment's path
 */
export function addsField({ fragment }: Deferred, key: string | number | undefined): boolean {
  return typeof key === 'string' && fragment.adds(key);
}
