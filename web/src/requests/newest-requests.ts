import { VoucherRequestsDocument } from '../graphql/generated.ts';

/** Requests per page of the list. */
export const pageSize = 10;

/** The first page of the user's requests, as every view reads it. An empty list names no type that would renew it. */
export const newestRequests = {
  query: VoucherRequestsDocument,
  variables: { first: pageSize, after: null },
  context: { additionalTypenames: ['VoucherRequest'] },
};
