import { mercuriusFederationPlugin } from '@mercuriusjs/federation';
import Fastify from 'fastify';
import { voucherTypes } from './schema.js';
import { feed } from './source.js';

// The subgraph behind Mercurius' gateway, which takes subscriptions from its subgraphs and from nowhere else. In a
// process of its own, so that the gateway is measured alone. A topic has the phone number in its name: `withFilter`
// would call a filter a connection for every event.
const topicOf = (phoneNumber) => `receive-code/${phoneNumber}`;
const app = Fastify();
app.register(mercuriusFederationPlugin, {
  schema: voucherTypes(),
  resolvers: {
    Query: { voucher: () => null },
    Subscription: {
      voucherReceived: {
        subscribe: (_root, { phoneNumber }, { pubsub }) => pubsub.subscribe(topicOf(phoneNumber)),
      },
    },
  },
  subscription: true,
});
app.get('/ready', () => 'ready');
await app.ready();
await feed((event) =>
  app.graphql.pubsub.publish({ topic: topicOf(event.node.phoneNumber), payload: { voucherReceived: event } }),
);
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
