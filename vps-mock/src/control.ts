import { z } from 'zod';
import { faultNames } from './profiles.ts';

/** What `POST /control/next` takes. */
export const nextSchema = z.strictObject({
  /** Only for this phone number, compared by its last nine digits. Default: for any. */
  phoneNumber: z.string().min(4).max(32).optional(),
  /** From the request to the code. Default: the profile's; 4,000 for a fault of the late callback. */
  delayMs: z.number().int().min(0).max(3_600_000).optional(),
  fault: z.enum(faultNames).optional(),
  /** How many requests it holds for. Default: 1. */
  times: z.number().int().min(1).max(1_000_000).default(1),
});
export type Next = z.input<typeof nextSchema>;

/** What was said of the next answers, oldest first. */
export interface Control {
  /** False where too much waits to be taken: it is not added. */
  add(next: z.output<typeof nextSchema>): boolean;
  /** Forgets all that was said and not taken yet. */
  clear(): void;
  /** Takes what holds for a request of this phone number, if anything. */
  take(phoneNumber: string): { delayMs?: number; fault?: Next['fault'] } | undefined;
}

/** What may be said and wait to be taken. */
export const maxWaiting = 1_000;

export function createControl(): Control {
  const waiting: (z.output<typeof nextSchema> & { left: number })[] = [];
  const tail = (phoneNumber: string) => phoneNumber.replace(/\D/g, '').slice(-9);
  return {
    add(next) {
      if (waiting.length >= maxWaiting) return false;
      waiting.push({ ...next, left: next.times });
      return true;
    },
    clear: () => void waiting.splice(0),
    take(phoneNumber) {
      const index = waiting.findIndex(
        (next) => next.phoneNumber === undefined || tail(next.phoneNumber) === tail(phoneNumber),
      );
      const found = waiting[index];
      if (!found) return undefined;
      found.left -= 1;
      if (found.left === 0) waiting.splice(index, 1);
      return { delayMs: found.delayMs, fault: found.fault };
    },
  };
}
