const range = (length: number) => Array.from({ length }, (_, index) => index);

const user = (id: string) => ({ __typename: 'User', id, username: `user-${id}`, phoneNumber: '+260900000001' });
const voucher = (index: number, ownerId: string) => ({
  id: `v${index}`,
  code: `CODE-${String(index).padStart(12, '0')}`,
  phoneNumber: '+260900000001',
  status: index % 3 ? 'RECEIVED' : 'USED',
  receivedAt: new Date(1_700_000_000_000 + index * 1_000).toISOString(),
  owner: { __typename: 'User', id: ownerId },
});

const account = (id: string) => ({
  __typename: 'Account',
  id,
  name: `Account ${id}`,
  username: `@${id}`,
  birthday: 1_980,
});
const product = (upc: string) => ({ __typename: 'Product', upc, name: `Product ${upc}`, price: 100, weight: 50 });
/** Each review has one account and one product. */
const review = (id: number) => ({
  id: String(id),
  body: `Review ${id}`,
  author: { __typename: 'Account', id: String(1 + (id % 6)), username: `@${1 + (id % 6)}` },
  product: { __typename: 'Product', upc: String(1 + (id % 9)) },
});
const reviews = range(18).map(review);

interface Reference {
  id: string;
  upc: string;
  price: number;
  weight: number;
}

/**
 * The subgraphs' resolvers, by name. There are two lists of twenty vouchers. In `purchasedVouchers` each voucher has a
 * different owner. In `User.vouchers` all vouchers have the same owner.
 */
export const resolvers: Readonly<Record<string, object>> = {
  user: {
    Query: { me: () => user('u1'), users: () => range(6).map((index) => account(String(index + 1))) },
    User: { __resolveReference: ({ id }: Reference) => user(id) },
    Account: { __resolveReference: ({ id }: Reference) => account(id) },
  },
  voucher: {
    Query: { purchasedVouchers: () => range(20).map((index) => voucher(index, `u${101 + index}`)) },
    User: { vouchers: ({ id }: Reference) => range(20).map((index) => voucher(index, id)) },
  },
  inventory: {
    Product: {
      __resolveReference: (reference: Reference) => ({ ...reference, inStock: true }),
      shippingEstimate: ({ price, weight }: Reference) => (price > 1_000 ? 0 : weight / 2),
    },
  },
  products: {
    Query: {
      topProducts: (_: unknown, { first }: { first: number }) =>
        range(first).map((index) => product(String(index + 1))),
    },
    Product: { __resolveReference: ({ upc }: Reference) => product(upc) },
  },
  reviews: {
    Account: { reviews: ({ id }: Reference) => reviews.filter(({ author }) => author.id === id) },
    Product: { reviews: ({ upc }: Reference) => reviews.filter(({ product }) => product.upc === upc) },
  },
};
