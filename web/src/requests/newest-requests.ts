import { VoucherRequestsDocument } from '../graphql/generated.ts';

/** Requests per page of the list. */
export const pageSize = 10;

/**
 * The query for the first page of the user's requests, which all views share. After a mutation, the cache refreshes the
 * queries whose results contain the types of the mutation. An empty list contains no type, so `additionalTypenames`
 * names the type.
 */
export const newestRequests = {
  query: VoucherRequestsDocument,
  variables: { first: pageSize, after: null },
  context: { additionalTypenames: ['VoucherRequest'] },
};
