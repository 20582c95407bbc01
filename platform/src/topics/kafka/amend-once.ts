import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { type Log, silentLog } from '../../log.ts';

// biome-ignore lint/suspicious/noExplicitAny: any method of any class.
type Method = ((this: any, ...args: any[]) => any) & { [isAmended]?: true };

/** A better method for a class that kafkajs does not export. */
export interface Amendment {
  /** Where kafkajs has the class, such as `kafkajs/src/consumer/consumerGroup`. */
  path: string;
  method: string;
  /** SHA-256 of the method's source that this was written for, in hex. */
  writtenFor: string;
  /** The method in place of kafkajs's own. */
  amend(original: Method): Method;
  /** What that costs where it is not amended, for the log. */
  without: string;
}

const isAmended: unique symbol = Symbol('isAmended');

/**
 * Amends the class; once, however often it is called. Where kafkajs's method is not the one that the amendment was
 * written for, it stays as it is, and a warning says so.
 */
export function amendOnce({ path, method, writtenFor, amend, without }: Amendment, log: Log = silentLog): void {
  const prototype = prototypeOf(path);
  const original = prototype?.[method];
  if (original?.[isAmended]) return;
  if (prototype && original && sourceHash(original) === writtenFor)
    prototype[method] = Object.assign(amend(original), { [isAmended]: true as const });
  else
    log.warn(
      { class: path, method },
      `this method of kafkajs is not what our amendment was written for, and stays as it is: ${without}`,
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
