import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { createPlanOperation } from '../planning/plan-operation.ts';
import { federationOneSupergraph } from '../testing/supergraphs/federation-one.ts';
import { readSupergraph } from './read-supergraph.ts';

/** Composes subgraphs that use this version of federation and import these directives. */
function compose(version: string, imports: readonly string[], subgraphs: Record<string, string>): string {
  const link = `extend schema @link(url: "https://specs.apollo.dev/federation/v${version}", import: ${JSON.stringify(imports)})`;
  const { supergraphSdl, errors } = composeServices(
    Object.entries(subgraphs).map(([name, sdl]) => ({ name, url: `http://${name}`, typeDefs: parse(link + sdl) })),
  );
  if (!supergraphSdl) throw new Error(errors?.join('\n'));
  return supergraphSdl;
}

/** Returns the query plan of an operation. If there is no plan, returns the planner's whole result. */
function plan(supergraphSdl: string, text: string) {
  const planned = createPlanOperation({ supergraphSdl, hideSuggestions: false })({
    text,
    operationName: null,
    conditions: {},
  });
  return planned.kind === 'plan' ? planned.plan : planned;
}

const people = (directives: string) => ({
  people: `type Query { me: Person } type Person @key(fields: "id") { id: ID! name: String ${directives} }`,
  orders: 'type Query { none: Int } type Person @key(fields: "id") { id: ID! orders: Int }',
});
const joined = (version: string) =>
  compose('2.0', ['@key'], people('')).replace(/specs\.apollo\.dev\/join\/v0\.\d/, `specs.apollo.dev/join/v${version}`);

describe('supergraph: loads', () => {
  it('federation 1, with core and join 0.1', () => {
    expect(readSupergraph(federationOneSupergraph).subgraphsMetadata()).toMatchObject([
      { name: 'orders' },
      { name: 'people' },
    ]);
    // In a plan with `typeConditionedFetching`, paths start with an empty key.
    const orders = { path: ['', 'me'], node: { serviceName: 'orders' } };
    expect(plan(federationOneSupergraph, '{ me { name orders { total } } }')).toMatchObject({
      node: { kind: 'Sequence', nodes: [{ serviceName: 'people' }, orders] },
    });
  });

  it.each(['0.2', '0.3', '0.4', '0.5'])('join %s', (version) => {
    expect(plan(joined(version), '{ me { name orders } }')).toMatchObject({ node: { kind: 'Sequence' } });
  });

  it.each([
    ['@tag', '2.3', ['@key', '@tag'], '@tag(name: "public")'],
    ['@inaccessible', '2.3', ['@key', '@inaccessible'], 'secret: Int @inaccessible'],
    ['@authenticated', '2.5', ['@key', '@authenticated'], '@authenticated'],
    ['@requiresScopes', '2.5', ['@key', '@requiresScopes'], '@requiresScopes(scopes: [["a"]])'],
    ['@policy', '2.6', ['@key', '@policy'], '@policy(policies: [["a"]])'],
    ['@override with a label', '2.7', ['@key', '@override'], 'age: Int @override(from: "orders", label: "percent(1)")'],
    [
      '@cost and @listSize',
      '2.9',
      ['@key', '@cost', '@listSize'],
      '@cost(weight: 5) list: [Int] @listSize(assumedSize: 3)',
    ],
    ['@cacheTag', '2.12', ['@key', '@cacheTag'], '@cacheTag(format: "person-{$key.id}")'],
  ])('%s', (_name, version, imports, directives) => {
    const sdl = compose(version, imports, people(directives));
    const { kind } = plan(sdl, '{ me { name orders } }');
    expect(kind).toBe('QueryPlan');
  });

  it('a directive that subgraphs define, by @composeDirective', () => {
    const custom = `
      extend schema @link(url: "https://example.com/audit/v1.0", import: ["@audit"]) @composeDirective(name: "@audit")
      directive @audit(level: Int) on FIELD_DEFINITION
    `;
    const { people: typeDefs, orders } = people('@audit(level: 1)');
    const sdl = compose('2.3', ['@key', '@composeDirective'], { people: custom + typeDefs, orders });
    expect(sdl).toContain('@audit(level: 1)');
    expect(plan(sdl, '{ me { orders } }')).toMatchObject({ node: { kind: 'Sequence' } });
  });
});

describe('supergraph: refuses', () => {
  it('connectors, by the name of their subgraph', () => {
    const { people: typeDefs, orders } = people('');
    const sdl = compose('2.12', ['@key'], {
      people: `extend schema @link(url: "https://specs.apollo.dev/connect/v0.2", import: ["@connect"]) ${typeDefs.replace(
        'me: Person',
        'me: Person @connect(http: { GET: "http://127.0.0.1/me" }, selection: "id name")',
      )}`,
      orders,
    });
    expect(() => readSupergraph(sdl)).toThrow(
      'has Apollo Connectors (@connect) of PEOPLE, which only Apollo Router executes: serve a GraphQL subgraph instead (CONNECTORS_UNSUPPORTED)',
    );
  });

  it('an unknown feature that is required for execution', () => {
    const sdl = joined('0.3').replace(
      '@link(url: "https://specs.apollo.dev/link/v1.0")',
      '@link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://example.com/magic/v1.0", for: EXECUTION)',
    );
    expect(() => readSupergraph(sdl)).toThrow(
      'feature https://example.com/magic/v1.0 is for: EXECUTION but is unsupported',
    );
  });
});
