import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { type Log, silentLog } from '../../../process/log.ts';

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
  /** What goes wrong if the patch is not applied, for the log. */
  without: string;
}

const isPatched: unique symbol = Symbol('isPatched');

/**
 * Patches the class once, even if it is called several times. If the method's source has changed since the patch was
 * written, the method is not patched, and a warning is logged.
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

// biome-ignore lint/suspicious/noExplicitAny: any function of any module.
type AnyFunction = (...args: any[]) => any;

/** A patch for a module of kafkajs that exports one function. */
export interface ModulePatch extends Pick<Patch, 'path' | 'writtenFor' | 'without'> {
  /**
   * The module that imports the function. If that module is already loaded, it has the original function, and a patch
   * would have no effect. The patch is then not applied, and a warning is logged.
   */
  usedBy: string;
  /** Returns the function that replaces kafkajs's own. */
  patch(original: AnyFunction): AnyFunction;
}

/** Patches a module in the same way as `patchOnce` patches a method. */
export function patchModuleOnce({ path, usedBy, writtenFor, patch, without }: ModulePatch, log: Log = silentLog): void {
  const module = loadedModule(path);
  const original: (AnyFunction & { [isPatched]?: true }) | undefined = module?.exports;
  if (original?.[isPatched]) return;
  const isUsed = isLoaded(usedBy);
  if (module && original && !isUsed && sourceHash(original) === writtenFor)
    module.exports = Object.assign(patch(original), { [isPatched]: true as const });
  else
    log.warn(
      { module: path, isUsed },
      `this module of kafkajs has changed since our patch was written, or is used already, and is not patched: ${without}`,
    );
}

function isLoaded(path: string): boolean {
  const require = createRequire(import.meta.url);
  try {
    return require.resolve(path) in require.cache;
  } catch {
    return false;
  }
}

function loadedModule(path: string): NodeJS.Module | undefined {
  try {
    const require = createRequire(import.meta.url);
    require(path);
    return require.cache[require.resolve(path)];
  } catch {
    return undefined;
  }
}

function prototypeOf(path: string): Record<string, Method> | null {
  try {
    return createRequire(import.meta.url)(path).prototype;
  } catch {
    return null;
  }
}

function sourceHash(method: AnyFunction): string {
  return createHash('sha256').update(method.toString()).digest('hex');
}
