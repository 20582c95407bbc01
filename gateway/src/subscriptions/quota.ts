import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/** Limits the concurrent subscriptions of each holder: a user, or the address of anonymous clients. */
export interface Quota {
  /** The number of subscriptions of all holders. */
  readonly taken: number;
  /** Counts one more subscription of the holder. Throws CodedError RATE_LIMITED if the holder has reached the limit. */
  take(holder: string): void;
  /** Subtracts one subscription from the holder's count. */
  give(holder: string): void;
}

export function createQuota(most: number): Quota {
  const counts = new Map<string, number>();
  let taken = 0;
  return {
    get taken() {
      return taken;
    },
    take(holder) {
      const count = counts.get(holder) ?? 0;
      if (count >= most)
        throw new CodedError<PublicErrorCode>(
          'RATE_LIMITED',
          `You have ${most} subscriptions here already: end one first.`,
        );
      counts.set(holder, count + 1);
      taken += 1;
    },
    give(holder) {
      taken -= 1;
      const left = (counts.get(holder) ?? 1) - 1;
      if (left === 0) counts.delete(holder);
      else counts.set(holder, left);
    },
  };
}
