import { createRequire } from 'node:module';

const isAmended: unique symbol = Symbol('isAmended');

/**
 * Amends a class that kafkajs does not export; once, however often it is called.
 *
 * @param path where kafkajs has it, such as `kafkajs/src/consumer/consumerGroup`
 */
export function amendOnce<Instance extends object>(
  path: string,
  amend: (prototype: Instance) => void,
): new (
  options: object,
) => Instance {
  const amended = createRequire(import.meta.url)(path);
  if (!amended.prototype[isAmended]) {
    amend(amended.prototype);
    amended.prototype[isAmended] = true;
  }
  return amended;
}
