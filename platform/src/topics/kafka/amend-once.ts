import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { type Log, silentLog } from '../../log.ts';

// biome-ignore lint/suspicious/noExplicitAny: any method of any class.
type Method = ((this: any, ...args: any[]) => any) & { [isPatched]?: true };

/** A patch for a method of a class that kafkajs does not export. */
export interface Patch {
  /** The module of the class, such as `kafkajs/src/consumer/consumerGroup`. */
  path: string;
  method: string;
  /** SHA-256 in hex of the method's source that the patch was written for. */
  writtenFor: string;
  /** Returns the method that replaces kafkajs's own. */
  patch(original: Method): Method;
  /** What it costs if the patch is not applied, for the log. */
  without: string;
}

const isPatched: unique symbol = Symbol('isPatched');

/**
 * Patches the class once, however often it is called. If the method's source has changed since the patch was written,
 * it is left alone and a warning is logged.
 */
export function patchOnce({ path, method, writtenFor, patch, without }: Patch, log: Log = silentLog): void {
  const prototype = prototypeOf(path);
  const original = prototype?.[method];
  if (original?.[isPatched]) return;
  if (prototype && original && sourceHash(original) === writtenFor)
    prototype[method] = Object.assign(patch(original), { [isPatched]: true as const });
  else
    log.warn(
      { class: path, method },
      `this method of kafkajs has changed since our patch was written, and is not patched: ${without}`,
    );
}

function prototypeOf(path: string): Record<string, Method> | null {
  try {
    return createRequire(import.meta.url)(path).prototype;
  } catch {
    return null;
  }
}

function sourceHash(method: Method): string {
  return createHash('sha256').update(method.toString()).digest('hex');
}
