import mercuriusGateway from '@mercuriusjs/gateway';
import Fastify from 'fastify';

// Mercurius with JIT for the queries of `npm run bench -- gateway`. Mercurius supports only federation 1, and therefore
// needs separate schemas.

const user = /* GraphQL */ `
  extend type Query { me: User }
  type User @key(fields: "id") { id: ID! username: String! phoneNumber: String! }
`;
const voucher = /* GraphQL */ `
  enum VoucherStatus { REQUESTED RECEIVED USED }
  extend type Query { purchasedVouchers(phoneNumber: String!, first: Int): [Voucher!]! }
  type Voucher @key(fields: "id") {
    id: ID! code: String! phoneNumber: String! status: VoucherStatus! receivedAt: String owner: User
  }
  extend type User @key(fields: "id") { id: ID! @external vouchers: [Voucher!]! }
`;
const app = Fastify();
app.register(mercuriusGateway, {
  jit: 1,
  gateway: {
    services: [
      { name: 'user', url: process.env.SUBGRAPH_USER_URL, schema: user },
      { name: 'voucher', url: process.env.SUBGRAPH_VOUCHER_URL, schema: voucher },
    ],
  },
});
app.get('/ready', () => 'ready');
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
