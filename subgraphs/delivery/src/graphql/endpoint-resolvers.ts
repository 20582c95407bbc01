import { CodedError } from '@voucher-gateway/platform/errors';
import type { RateLimiter } from '@voucher-gateway/platform/key-value/rate-limiter';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Admission } from '../endpoints/admission.ts';
import { endpointId, originOf } from '../endpoints/endpoint.ts';
import type { EndpointStore } from '../endpoints/endpoint-store.ts';
import type { Delivery, EndpointRow } from '../tables.ts';
import { type DeliveryContext, requireIdentity } from './context.ts';

export type EndpointState = 'ACTIVE' | 'FAILING' | 'DISABLED';

/** The resolvers of a user's own endpoints. */
export function createEndpointResolvers({
  endpoints,
  admission,
  limiter,
}: {
  endpoints: Pick<EndpointStore, 'readOwn' | 'enable'>;
  admission: Pick<Admission, 'forget'>;
  /** Counts a user's calls of `enableEndpoint`. */
  limiter: RateLimiter;
}) {
  return {
    async enableEndpoint(_: unknown, { url }: { url: string }, context: DeliveryContext): Promise<EndpointRow> {
      const { userId } = await requireIdentity(context);
      await limiter.count(userId);
      const id = endpointId(userId, originOf(url));
      const row = await endpoints.enable(id);
      if (!row) throw new CodedError<PublicErrorCode>('NOT_FOUND', 'You have no endpoint of this origin.');
      admission.forget(id);
      return row;
    },
    /** The endpoints of a user; null if the caller is another user. */
    async endpoints({ id }: { id: string }, _args: unknown, context: DeliveryContext): Promise<EndpointRow[] | null> {
      const identity = await context.identity();
      return identity?.userId === id ? endpoints.readOwn(id) : null;
    },
    Endpoint: {
      state: ({ disabledAt, failingSince }: EndpointRow): EndpointState => {
        if (disabledAt !== null) return 'DISABLED';
        return failingSince === null ? 'ACTIVE' : 'FAILING';
      },
      notices: ({ id, userId }: EndpointRow, _args: unknown, context: DeliveryContext): Promise<Delivery[]> =>
        context.loaders(userId).notices.load(id),
    },
  };
}
