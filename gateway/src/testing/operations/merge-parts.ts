import type { GraphQLError } from 'graphql';
import type { DeferredPart } from '../../execution/response/deferred-parts.ts';
import type { JsonResult } from '../../execution/response/json-result.ts';

type Json = null | string | number | boolean | Json[] | { [key: string]: Json };

/** Reads the parts of a result, and merges them like a client. */
export async function mergeParts(result: JsonResult) {
  const errors: GraphQLError[] = [...(result.errors ?? [])];
  const chunks: (readonly DeferredPart[])[] = [];
  let data = JSON.parse(result.dataJson) as Json;
  let hasNext = result.deferred !== null;
  for await (const chunk of result.deferred?.chunks ?? []) {
    if (!hasNext) throw new Error('a chunk came after the last');
    ({ hasNext } = chunk);
    chunks.push(chunk.parts);
    for (const { path, dataJson, errors: of } of chunk.parts) {
      errors.push(...of);
      data = mergeAt(data, path, JSON.parse(dataJson) as Json);
    }
  }
  if (hasNext) throw new Error('a chunk is missing');
  return { data, errors, chunks, parts: chunks.flat().length };
}

function mergeAt(into: Json, [step, ...rest]: DeferredPart['path'], value: Json): Json {
  if (step === undefined) return value === null ? into : merge(into, value);
  const found = (into as { [key: string]: Json })[step];
  if (found === undefined) throw new Error(`a part is for ${step}, which the client does not have`);
  // Another part has an error in the same object, and has set the object to null.
  if (found === null) return into;
  (into as { [key: string]: Json })[step] = mergeAt(found, rest, value);
  return into;
}

function merge(into: Json, value: Json): Json {
  if (typeof into !== 'object' || into === null || typeof value !== 'object' || value === null) return value;
  for (const [key, each] of Object.entries(value)) {
    const known = Object.hasOwn(into, key) ? (into as { [key: string]: Json })[key] : undefined;
    const merged = known === undefined ? each : merge(known, each);
    Object.defineProperty(into, key, { value: merged, enumerable: true, configurable: true, writable: true });
  }
  return into;
}
