/**
 * A part of the product's schema, for the measurements of other gateways. Here `voucherReceived` takes the phone number
 * as an argument, because the other gateways check no tokens.
 *
 * @param {string} fedBy a directive on `voucherReceived` that says where its events come from
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
