import { z } from 'zod';
import { faultNames } from './profiles.ts';

/** The body of `POST /control/next`: an instruction for the next responses. */
export const nextSchema = z.strictObject({
  /** The phone number to which the instruction applies, compared by its last nine digits. Default: any phone number. */
  phoneNumber: z.string().min(4).max(32).optional(),
  /**
   * Time from the request to the code, in milliseconds. Default: the delay of the profile, but 4,000 for a fault of the
   * late callback.
   */
  delayMs: z.number().int().min(0).max(3_600_000).optional(),
  fault: z.enum(faultNames).optional(),
  /** Number of requests to which the instruction applies. Default: 1. */
  times: z.number().int().min(1).max(1_000_000).default(1),
});
export type Next = z.input<typeof nextSchema>;

/** Instructions for the next responses, oldest first. */
export interface Control {
  /** Adds an instruction. Returns false, and adds nothing, if too many are pending. */
  add(next: z.output<typeof nextSchema>): boolean;
  /** Removes all pending instructions. */
  clear(): void;
  /** Takes the instruction for a request of this phone number, if there is one. */
  take(phoneNumber: string): { delayMs?: number; fault?: Next['fault'] } | undefined;
}

/** Maximum number of pending instructions. */
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
