import type { Database } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import { dateTimeScalar } from '@voucher-gateway/platform/graphql/date-time';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { RateLimiter } from '@voucher-gateway/platform/key-value/rate-limiter';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { lateAfterMs } from '@voucher-gateway/schema/vps-protocol';
import type DataLoader from 'dataloader';
import { requireOwnPhoneNumber } from './own-phone-number.ts';
import { cursorOf, type PageArguments, readPage, type VoucherPage, type VoucherRow } from './purchased-vouchers.ts';
import { type RequestPage, readRequests } from './request-list.ts';
import { messageOf, stepsOf, type VoucherRequestRow } from './request-row.ts';
import type { createRequestVoucher, RequestVoucherInput } from './request-voucher.ts';

export interface VoucherContext {
  /** The caller; null for an anonymous request. */
  identity: Identity | null;
  /** Aborts when the client disconnects. */
  signal: AbortSignal;
  /** The user's own requests by id; null for requests of other users. */
  requests: DataLoader<string, VoucherRequestRow | null>;
  vouchers: DataLoader<string, VoucherRow | null>;
  /** The user's own vouchers by request id. */
  vouchersByRequest: DataLoader<string, VoucherRow | null>;
}

export interface ResolversOptions {
  database: Database;
  requestVoucher: ReturnType<typeof createRequestVoucher>;
  /** Counts a user's requests. */
  limiter: RateLimiter;
  region: string;
}

export function createResolvers({ database, requestVoucher, limiter, region }: ResolversOptions) {
  const expectedBy = (request: VoucherRequestRow) => new Date(request.requestedAt.getTime() + lateAfterMs);
  return {
    DateTime: dateTimeScalar,
    Query: {
      purchasedVouchers(_: unknown, args: PageArguments & { phoneNumber?: string | null }, context: VoucherContext) {
        return readPage(
          database,
          requireOwnPhoneNumber(requireIdentity(context), args.phoneNumber, region, 'phoneNumber'),
          args,
        );
      },
      voucherRequest(_: unknown, { id }: { id: string }, context: VoucherContext) {
        requireIdentity(context);
        return context.requests.load(id);
      },
      voucherRequests(_: unknown, args: { first?: number | null; after?: string | null }, context: VoucherContext) {
        return readRequests(database, requireIdentity(context).userId, args);
      },
    },
    Mutation: {
      async requestVoucher(_: unknown, { input }: { input: RequestVoucherInput }, context: VoucherContext) {
        const identity = requireIdentity(context);
        await limiter.count(identity.userId);
        return requestVoucher(identity, input, context.signal);
      },
    },
    Subscription: { voucherReceived: fedByTheGateway, voucherRequestFailed: fedByTheGateway },
    VoucherConnection: connectionResolvers,
    VoucherRequestConnection: connectionResolvers,
    Voucher: {
      __resolveReference: ({ id }: { id: string }, context: VoucherContext) => context.vouchers.load(id),
      owner: ({ userId }: VoucherRow) => ({ __typename: 'User', id: userId }),
    },
    VoucherRequest: {
      __resolveReference: ({ id }: { id: string }, context: VoucherContext) => context.requests.load(id),
      expectedBy,
      message: (request: VoucherRequestRow) => messageOf(request, database.now(), expectedBy(request)),
      cursor: ({ feedEnd }: VoucherRequestRow) => encodeCursor(feedEnd),
      voucher: ({ id, status }: VoucherRequestRow, _args: unknown, context: VoucherContext) =>
        status === 'FULFILLED' ? context.vouchersByRequest.load(id) : null,
      steps: stepsOf,
    },
  };
}

/** Resolves a page by Relay's cursor connections specification. */
const connectionResolvers = {
  edges: ({ rows }: VoucherPage | RequestPage) => rows.map((node) => ({ node, cursor: cursorOf(node) })),
  nodes: ({ rows }: VoucherPage | RequestPage) => rows,
  pageInfo: ({ rows, hasNextPage, hasPreviousPage }: VoucherPage | RequestPage) => {
    const [first, last] = [rows[0], rows.at(-1)];
    return {
      hasNextPage,
      hasPreviousPage,
      startCursor: first ? cursorOf(first) : null,
      endCursor: last ? cursorOf(last) : null,
    };
  },
};

/** Rejects a subscription at the subgraph, because the gateway resolves Subscription fields from their topics. */
const rejectSubscription = () => {
  throw new CodedError<PublicErrorCode>(
    'BAD_USER_INPUT',
    'Subscribe at the gateway: there this field is fed from a topic.',
  );
};
const fedByTheGateway = { subscribe: rejectSubscription, resolve: rejectSubscription };

function requireIdentity({ identity }: VoucherContext): Identity {
  if (!identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in first.');
  return identity;
}
