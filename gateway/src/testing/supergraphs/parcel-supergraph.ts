import { composeServices } from '@apollo/composition';
import { type GraphQLDataSource, LocalGraphQLDataSource } from '@apollo/gateway';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { concatAST, type DocumentNode, GraphQLError, type GraphQLSchema, parse } from 'graphql';

/**
 * A supergraph unrelated to vouchers, to test that the gateway works with any supergraph. The subgraph `tracking`
 * stores moves of parcels. The subgraph `people` stores names.
 */
const trackingSdl = parse(`
  extend schema
    @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@inaccessible", "@composeDirective"])
    @link(url: "https://voucher-gateway.example/topic/v1.0", import: ["@topic"])
    @composeDirective(name: "@topic")
  directive @topic(name: String!, match: String!, claim: String!, replay: String) on FIELD_DEFINITION
  type Query { moves(customer: String, first: Int, after: String): MoveConnection! }
  type Subscription {
    moved(parcel: ID, after: String): MoveEdge! @topic(name: "parcel-moved", match: "customer", claim: "customer", replay: "moves")
    lost(parcel: ID): Loss! @topic(name: "parcel-lost", match: "customer", claim: "customer")
    unfed: String
    "Fed by the subgraph itself."
    greeted(by: ID): Greeting
  }
  type Greeting { text: String! by: Person }
  type MoveConnection { edges: [MoveEdge!]! pageInfo: PageInfo! storedThrough: [StoredPosition!]! @inaccessible }
  type StoredPosition @inaccessible { topic: String! partition: Int! position: String! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type MoveEdge { cursor: String! node: Move! }
  type Move @key(fields: "id") { id: ID! parcel: ID! customer: String! place: String! note: String recipient: Person }
  type Loss { parcel: ID! customer: String! recipient: Person }
  type Person @key(fields: "id", resolvable: false) { id: ID! }
`);
const peopleSdl = parse(`
  extend schema
    @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@composeDirective"])
    @link(url: "https://voucher-gateway.example/public/v1.0", import: ["@public"])
    @composeDirective(name: "@public")
  directive @public on FIELD_DEFINITION
  type Query { hello: String openingHours: String @public }
  type Mutation { greet(name: String!): String! register(name: String!): Person! @public }
  type Person @key(fields: "id") { id: ID! name: String! }
`);

export interface Move {
  id: string;
  parcel: string;
  customer: string;
  place: string;
  recipient?: { id: string };
}

/** The data and the behaviour of the subgraphs. A test may change both at any time. */
export interface World {
  stored: Move[];
  storedThrough: number;
  /** Maximum number of rows per page. With small pages, a test resumes over several pages. */
  pageSize: number;
  /** Called before each page is returned. */
  onPage?: () => void | Promise<void>;
  /** Called before each name is returned. */
  onName?: (id: string) => void | Promise<void>;
}

export function createWorld(): World {
  return { stored: [], storedThrough: 0, pageSize: 100 };
}

export interface ParcelSupergraphOptions {
  /** Whether the supergraph includes the subgraph `people`. Default: true. */
  people?: boolean;
  /** Additional definitions of the subgraph `tracking`. */
  more?: string;
}

/** Returns the supergraph. It is composed only once in a process for the same options. */
export function parcelSupergraph({ people = true, more }: ParcelSupergraphOptions = {}): string {
  const key = JSON.stringify([people, more]);
  const supergraph = composed.get(key) ?? compose({ people, more });
  composed.set(key, supergraph);
  return supergraph;
}

const composed = new Map<string, string>();

function compose({ people, more }: ParcelSupergraphOptions): string {
  const tracking: DocumentNode = more ? concatAST([trackingSdl, parse(more)]) : trackingSdl;
  const { supergraphSdl, errors } = composeServices([
    { name: 'tracking', url: 'http://tracking.invalid', typeDefs: tracking },
    ...(people ? [{ name: 'people', url: 'http://people.invalid', typeDefs: peopleSdl }] : []),
  ]);
  if (!supergraphSdl) throw new Error(errors?.join('\n'));
  return supergraphSdl;
}

/** Builds the schema of `tracking`, which serves the subscription `greeted` itself. */
export function greetingSchema(greeted: (by: string | undefined, context: unknown) => AsyncIterable<unknown>) {
  return buildSubgraphSchema([
    {
      typeDefs: trackingSdl,
      resolvers: {
        Subscription: {
          greeted: {
            subscribe: (_: unknown, { by }: { by?: string }, context: unknown) => greeted(by, context),
          },
        },
      } as never,
    },
  ]);
}

/** The subgraphs' schemas, by name. */
export function parcelSchemas(world: World): Record<'tracking' | 'people', GraphQLSchema> {
  return {
    tracking: buildSubgraphSchema([{ typeDefs: trackingSdl, resolvers: trackingResolvers(world) as never }]),
    people: buildSubgraphSchema([{ typeDefs: peopleSdl, resolvers: peopleResolvers(world) as never }]),
  };
}

export function parcelDataSource(world: World): (name: string) => GraphQLDataSource {
  const sources: Record<string, GraphQLDataSource> = {};
  for (const [name, schema] of Object.entries(parcelSchemas(world))) sources[name] = new LocalGraphQLDataSource(schema);
  return (name) => {
    const source = sources[name];
    if (!source) throw new Error(`no subgraph ${name}`);
    return source;
  };
}

function trackingResolvers(world: World) {
  return {
    Query: {
      moves: async (_: unknown, { customer, first, after }: { customer: string; first: number; after: string }) => {
        // Simulates a request that exceeds the subgraph's size limit.
        if (after.length > 1_048_576)
          throw new GraphQLError('This is too large.', { extensions: { code: 'REQUEST_TOO_LARGE' } });
        const storedThrough = [{ topic: 'parcel-moved', partition: 0, position: String(world.storedThrough) }];
        await world.onPage?.();
        const rows = world.stored.filter((move) => move.customer === customer);
        const at = after === encodeCursor(null) ? 0 : rows.findIndex((move) => encodeCursor(move.id) === after) + 1;
        if (at === 0 && after !== encodeCursor(null))
          throw new GraphQLError('This cursor is not of this feed.', { extensions: { code: 'CURSOR_INVALID' } });
        const page = rows.slice(at, at + Math.min(first, world.pageSize));
        const edges = page.map((node) => ({ cursor: encodeCursor(node.id), node }));
        return {
          storedThrough,
          edges,
          pageInfo: { hasNextPage: at + page.length < rows.length, endCursor: edges.at(-1)?.cursor ?? null },
        };
      },
    },
  };
}

function peopleResolvers(world: World) {
  return {
    Query: { hello: () => 'hello', openingHours: () => '9 to 5' },
    Mutation: {
      greet: (_: unknown, { name }: { name: string }) => `hello ${name}`,
      register: (_: unknown, { name }: { name: string }) => ({ id: name, name }),
    },
    Person: {
      __resolveReference: async ({ id }: { id: string }) => {
        await world.onName?.(id);
        return { id, name: `name of ${id}` };
      },
    },
  };
}
