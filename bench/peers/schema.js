/**
 * The part of the product's schema that the peers are measured with. The field answers what our own does, but that
 * whose events it answers is an argument: the peers have no identity to look at.
 *
 * @param {string} fedBy a directive on the field, which says what feeds it
 */
export const voucherTypes = (fedBy = '') => /* GraphQL */ `
  extend type Query {
    voucher(id: ID!): Voucher
  }
  extend type Subscription {
    voucherReceived(phoneNumber: String!): VoucherEdge! ${fedBy}
  }
  type VoucherEdge {
    cursor: String!
    node: Voucher!
  }
  type Voucher @key(fields: "id") {
    id: ID!
    requestId: ID!
    code: String!
    phoneNumber: String!
    status: String!
    requestedAt: String!
    receivedAt: String!
    owner: User
  }
  extend type User @key(fields: "id") {
    id: ID! @external
  }
`;

export const userTypes = /* GraphQL */ `
  extend type Query {
    me: User
  }
  type User @key(fields: "id") {
    id: ID!
    username: String!
    phoneNumber: String!
  }
`;
