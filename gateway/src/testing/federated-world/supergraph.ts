import { composeServices } from '@apollo/composition';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { type DocumentNode, type GraphQLSchema, parse } from 'graphql';
import { hash } from './values.ts';

export interface GeneratedSupergraph {
  supergraphSdl: string;
  subgraphs: Record<string, GraphQLSchema>;
}

const link =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@requires", "@provides", "@interfaceObject", "@inaccessible"])';

/**
 * Generates a supergraph with four subgraphs. The seed decides which fields may be null, and which subgraph has which field.
 *
 * @param knowsAll whether each subgraph knows all entities. Default: false, some are unknown
 * @throws Error with the faults of composition
 */
export function generateSupergraph(seed: number, knowsAll = false): GeneratedSupergraph {
  const typeDefs = Object.entries(subgraphSdls(seed)).map(([name, sdl]) => ({ name, typeDefs: parse(link + sdl) }));
  const { supergraphSdl, errors } = composeServices(typeDefs.map((each) => ({ ...each, url: `http://${each.name}` })));
  if (!supergraphSdl) throw new Error(errors?.join('\n'));
  const subgraphs = Object.fromEntries(
    typeDefs.map(({ name, typeDefs }) => [name, subgraphSchema(seed, name, typeDefs, knowsAll)]),
  );
  return { supergraphSdl, subgraphs };
}

interface Reference {
  __typename?: string;
  id?: string;
  sku?: string;
}

/**
 * Whether some fields of object types are non-null although their interface's field is nullable. For such fields
 * Apollo's executor wrongly uses the interface's nullability, so its result for a null differs from ours. To avoid
 * nulls in these fields, their supergraphs have no failing fields and no unknown entities.
 */
export function hasCovariantFields(seed: number): boolean {
  return seed % 3 === 0;
}

function subgraphSchema(seed: number, name: string, typeDefs: DocumentNode, knowsAll: boolean): GraphQLSchema {
  const isUnknown = ({ id, sku }: Reference) =>
    !knowsAll && !hasCovariantFields(seed) && hash(seed, 'unknown', name, id ?? sku) % 11 === 0;
  const resolveReference = {
    __resolveReference: (reference: Reference) =>
      isUnknown(reference) ? null : { ...reference, ...typeOf(reference) },
  };
  /**
   * The `__typename` of an object of the interface `Media`, read from its id: `Book` from `Book:2`. Only `catalog`
   * knows the types of these objects.
   */
  const typeOf = ({ __typename, id }: Reference) =>
    name === 'catalog' && __typename === 'Media' && { __typename: id?.split(':')[0] };
  const entities = ['Product', 'Person', 'Review', 'Book', 'Film', 'Media'];
  const present = typeDefs.definitions.flatMap((node) => ('name' in node && node.name ? node.name.value : []));
  const resolvers = Object.fromEntries(
    entities.filter((entity) => present.includes(entity)).map((entity) => [entity, resolveReference]),
  );
  return buildSubgraphSchema([{ typeDefs, resolvers: resolvers as never }]);
}

function subgraphSdls(seed: number): Record<string, string> {
  /** Decides by the seed whether a type is non-null: returns an exclamation mark or nothing. */
  const n = (what: string) => (hash(seed, 'null', what) % 3 === 0 ? '!' : '');
  const covariant = (what: string) => (hasCovariantFields(seed) ? n(what) : '');
  /**
   * Returns the field if the seed assigns it to `subgraph`, else an empty text. The seed chooses from the subgraphs in
   * `among`.
   */
  const placed = (field: string, subgraph: string, among: readonly string[]) =>
    among[hash(seed, 'placed', field) % among.length] === subgraph ? field : '';
  const productFields = (subgraph: string) =>
    ['color: String', `rating: Float${n('rating')}`, 'twin: Product', 'keepers: [Person]', 'isNew: Boolean']
      .map((field) => placed(field, subgraph, ['catalog', 'reviews', 'extras']))
      .join('\n');
  const personFields = (subgraph: string) =>
    [`nick: String${n('nick')}`, 'idol: Person', 'bought: [Product!]', 'boxes: [[Int]]']
      .map((field) => placed(field, subgraph, ['people', 'reviews', 'extras']))
      .join('\n');
  return {
    catalog: `
      type Query {
        products(first: Int): [Product${n('products')}]${n('products list')}
        product(id: ID!): Product
        node(id: ID!): Node
        search(text: String): [Found${n('found')}]
        medias: [Media${n('medias')}]
        constructor: String
      }
      interface Node { id: ID! }
      union Found = Product | Person | Book
      enum Kind { TOY TOOL }
      type Product implements Node @key(fields: "id") @key(fields: "sku region { code }") {
        id: ID! sku: String! region: Region!
        name(lang: String): String${n('name')} price: Float weight: Int${n('weight')}
        tags: [[String${n('tag')}]${n('tag list')}]${n('tags')}
        grid: [[Product${n('grid')}]]
        kind: Kind dimensions: Dimensions
        maker: Person${n('maker')} @provides(fields: "name")
        ${productFields('catalog')}
      }
      type Region @shareable { code: String! title: String }
      type Dimensions { width: Int height: Int${n('height')} }
      type Person @key(fields: "id") { id: ID! name: String @external }
      interface Media @key(fields: "id") { id: ID! title: String length: Int }
      type Book implements Media & Node @key(fields: "id") { id: ID! title: String${covariant('book title')} length: Int author: Person }
      type Film implements Media @key(fields: "id") { id: ID! title: String${covariant('film title')} length: Int${covariant('length')} actors: [Person] }
    `,
    people: `
      type Query { me: Person${n('me')} people: [Person] person(id: ID!): Person }
      type Mutation { rename(id: ID!, name: String): Person touch(times: Int): Int${n('touch')} }
      interface Node { id: ID! }
      type Person implements Node @key(fields: "id") {
        id: ID! name: String @shareable age: Int${n('age')}
        friends(first: Int): [Person${n('friends')}] friendGrid: [[Person]]
        likes: [Media] favourite: Product
        ${personFields('people')}
      }
      interface Media { id: ID! }
      type Book implements Media @key(fields: "id", resolvable: false) { id: ID! }
      type Film implements Media @key(fields: "id", resolvable: false) { id: ID! }
      type Product @key(fields: "id", resolvable: false) { id: ID! }
    `,
    reviews: `
      type Query { reviews: [Review${n('reviews')}] }
      type Mutation { review(id: ID!, body: String): Review }
      type Product @key(fields: "id") {
        id: ID! weight: Int${n('weight')} @external price: Float @external
        reviews(first: Int): [Review]
        shipping(unit: String): String${n('shipping')} @requires(fields: "weight price")
        ${productFields('reviews')}
      }
      type Review @key(fields: "id") { id: ID! body: String stars: Int${n('stars')} author: Person product: Product${n('reviewed')} }
      type Person @key(fields: "id") { id: ID! reviews: [Review!] ${personFields('reviews')} }
    `,
    extras: `
      type Query { featured: Media top: [Product] }
      type Product @key(fields: "sku region { code }") {
        sku: String! region: Region! stock: Int${n('stock')} keeper: Person
        ${productFields('extras')}
      }
      type Region @shareable { code: String! }
      type Person @key(fields: "id") { id: ID! ${personFields('extras')} home: Home } type Home { street: String }
      type Media @key(fields: "id") @interfaceObject { id: ID! score: Int${n('score')} related: [Media] fans: [Person] }
    `,
  };
}
