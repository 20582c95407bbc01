import { defineConfig, MemPubSub } from '@graphql-hive/gateway';
import { composeServices } from '@theguild/federation-composition';
import { parse } from 'graphql';
import { userTypes, voucherTypes } from './schema.js';
import { feed } from './source.js';

// Configures Hive Gateway with event-driven federated subscriptions, whose events come from an in-memory pubsub. The
// name of a pubsub topic contains the phone number, because `filterBy` would call one filter per connection for every
// event.
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
  // This subgraph is never called, because an event has all selected fields.
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
