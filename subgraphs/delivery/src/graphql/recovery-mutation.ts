import { CodedError } from '@voucher-gateway/platform/errors';
import type { RateLimiter } from '@voucher-gateway/platform/key-value/rate-limiter';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Recoveries } from '../attempts/recovery.ts';
import type { DeliveryStatus } from '../tables.ts';
import { type DeliveryContext, requireIdentity } from './context.ts';

/** Why deliveries with a status can't be recovered; null if they can be recovered. */
const refusals: Record<DeliveryStatus, string | null> = {
  FAILED: null,
  PENDING: 'They are still being sent; `redeliver` sends one of them at once.',
  DELIVERED: 'Their receivers have accepted them; `redeliver` sends one of them again.',
  SIMULATED: 'No SMS provider is configured.',
};

/** The resolver of `recoverDeliveries`. `limiter` counts a user's calls. */
export function createRecoveryMutation({
  recoveries,
  limiter,
}: {
  recoveries: Pick<Recoveries, 'begin'>;
  limiter: RateLimiter;
}) {
  return async (_: unknown, { since, status }: { since: Date; status: DeliveryStatus }, context: DeliveryContext) => {
    const { userId } = await requireIdentity(context);
    const refusal = refusals[status];
    if (refusal !== null)
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `Deliveries that are ${status} are not recovered. ${refusal}`,
        {
          details: { argument: 'status' },
        },
      );
    await limiter.count(userId);
    const count = await recoveries.begin(userId, since);
    return { count, message: messageOf(count) };
  };
}

function messageOf(count: number): string {
  if (count === 0) return 'No delivery has failed since then.';
  const what = count === 1 ? '1 delivery is' : `${count} deliveries are`;
  return `${what} sent again, oldest first, with the same webhook-id and body. Failed attempts are retried as before.`;
}
