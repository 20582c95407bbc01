import { mercuriusFederationPlugin } from '@mercuriusjs/federation';
import Fastify from 'fastify';
import { voucherTypes } from './schema.js';
import { feed } from './source.js';

// A subgraph for Mercurius' gateway, which gets the events of subscriptions only from subgraphs. The subgraph is a
// separate process, and the benchmark does not count its CPU time. Each phone number has a separate pubsub topic. With
// one topic for all, `withFilter` would run once per connection for every event.
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
