import { VoucherRequestsDocument } from '../graphql/generated.ts';

/** Requests per page of the list. */
export const pageSize = 10;

/**
 * The query for the first page of the user's requests, which all views share. `additionalTypenames` is needed, because
 * an empty list contains no type by which the cache would refresh it.
 */
export const newestRequests = {
  query: VoucherRequestsDocument,
  variables: { first: pageSize, after: null },
  context: { additionalTypenames: ['VoucherRequest'] },
};
