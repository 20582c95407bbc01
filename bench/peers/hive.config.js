import { defineConfig, MemPubSub } from '@graphql-hive/gateway';
import { composeServices } from '@theguild/federation-composition';
import { parse } from 'graphql';
import { userTypes, voucherTypes } from './schema.js';
import { feed } from './source.js';

// Configures Hive Gateway: its subscriptions get events from an in-memory pubsub. Each phone number has a separate
// pubsub topic. With one topic for all, `filterBy` would run once per connection for every event.
const federation = /* GraphQL */ `
  extend schema
    @link(url: "https://specs.apollo.dev/federation/v2.6", import: ["@key", "@external", "@composeDirective"])
`;
const eventDriven = /* GraphQL */ `
  extend schema
    @link(url: "https://the-guild.dev/mesh/v1.0", import: ["@pubsubOperation"])
    @composeDirective(name: "@pubsubOperation")
  directive @pubsubOperation(pubsubTopic: String!, filterBy: String, result: String) on FIELD_DEFINITION
`;
const fedBy = '@pubsubOperation(pubsubTopic: "receive-code/{args.phoneNumber}")';
const { errors, supergraphSdl } = composeServices([
  // The gateway never calls these subgraphs, because each event already contains all fields that the clients select.
  {
    name: 'voucher',
    url: 'http://127.0.0.1:9/graphql',
    typeDefs: parse(federation + eventDriven + voucherTypes(fedBy)),
  },
  { name: 'user', url: 'http://127.0.0.1:9/graphql', typeDefs: parse(federation + userTypes) },
]);
if (errors) throw new Error(errors.map(({ message }) => message).join('\n'));

const pubsub = new MemPubSub();
await feed((event) => pubsub.publish(`receive-code/${event.node.phoneNumber}`, event));

export const gatewayConfig = defineConfig({
  supergraph: supergraphSdl,
  pubsub,
  logging: false,
  landingPage: false,
  graphiql: false,
});
