/** The supergraph of the benchmark: vouchers for small operations, and a shop for a nested one. */

const link =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@external", "@requires", "@provides"])';

/** The subgraphs' schemas, by name. */
export const subgraphSdls: Readonly<Record<string, string>> = {
  user: `${link}
    type Query { me: User users: [Account] }
    type User @key(fields: "id") { id: ID! username: String! phoneNumber: String! }
    type Account @key(fields: "id") { id: ID! name: String username: String @shareable birthday: Int }
  `,
  voucher: `${link}
    enum VoucherStatus { REQUESTED RECEIVED USED }
    type Query { purchasedVouchers(phoneNumber: String!, first: Int): [Voucher!]! }
    type Voucher @key(fields: "id") {
      id: ID! code: String! phoneNumber: String! status: VoucherStatus! receivedAt: String owner: User
    }
    type User @key(fields: "id") { id: ID! vouchers: [Voucher!]! }
  `,
  inventory: `${link}
    type Product @key(fields: "upc") {
      upc: String! weight: Int @external price: Int @external
      inStock: Boolean shippingEstimate: Int @requires(fields: "price weight")
    }
  `,
  products: `${link}
    type Query { topProducts(first: Int = 5): [Product] }
    type Product @key(fields: "upc") { upc: String! name: String price: Int weight: Int }
  `,
  reviews: `${link}
    type Review @key(fields: "id") { id: ID! body: String author: Account @provides(fields: "username") product: Product }
    type Account @key(fields: "id") { id: ID! username: String @external numberOfReviews: Int reviews: [Review] }
    type Product @key(fields: "upc") { upc: String! reviews: [Review] }
  `,
};

/** The measured operations, by name. */
export const operations: Readonly<Record<string, string>> = {
  Q1: '{ me { id username } }',
  Q2: '{ purchasedVouchers(phoneNumber: "mixed", first: 20) { id code status receivedAt owner { username } } }',
  Q3: '{ me { username vouchers { id code owner { username } } } }',
  nested: `
    fragment User on Account { id username name }
    fragment Review on Review { id body }
    fragment Product on Product { inStock name price shippingEstimate upc weight }
    query TestQuery {
      users {
        ...User
        reviews { ...Review product { ...Product reviews { ...Review author { ...User reviews { ...Review product { ...Product } } } } } }
      }
      topProducts { ...Product reviews { ...Review author { ...User reviews { ...Review product { ...Product } } } } }
    }
  `,
};
