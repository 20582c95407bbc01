/** A supergraph in the form of federation 1, which current tools can't compose any more. */
export const federationOneSupergraph = `
schema
  @core(feature: "https://specs.apollo.dev/core/v0.1")
  @core(feature: "https://specs.apollo.dev/join/v0.1")
{
  query: Query
}

directive @core(feature: String!) repeatable on SCHEMA
directive @join__field(graph: join__Graph, provides: join__FieldSet, requires: join__FieldSet) on FIELD_DEFINITION
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__owner(graph: join__Graph!) on INTERFACE | OBJECT
directive @join__type(graph: join__Graph!, key: join__FieldSet) repeatable on INTERFACE | OBJECT

scalar join__FieldSet

enum join__Graph {
  ORDERS @join__graph(name: "orders" url: "http://orders")
  PEOPLE @join__graph(name: "people" url: "http://people")
}

type Query {
  me: Person @join__field(graph: PEOPLE)
  orders: [Order] @join__field(graph: ORDERS)
}

type Person
  @join__owner(graph: PEOPLE)
  @join__type(graph: PEOPLE, key: "id")
  @join__type(graph: ORDERS, key: "id")
{
  id: ID! @join__field(graph: PEOPLE)
  name: String @join__field(graph: PEOPLE)
  orders: [Order] @join__field(graph: ORDERS)
  greeting: String @join__field(graph: ORDERS, requires: "name")
}

type Order
  @join__owner(graph: ORDERS)
  @join__type(graph: ORDERS, key: "id")
{
  id: ID! @join__field(graph: ORDERS)
  total: Int @join__field(graph: ORDERS)
  buyer: Person @join__field(graph: ORDERS, provides: "name")
}
`;
