import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import fc from 'fast-check';
import { buildASTSchema, type FragmentDefinitionNode, Kind, type OperationDefinitionNode, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { measureComplexity } from './complexity.ts';
import { createCostModel } from './cost-model.ts';

const schema = buildASTSchema(parse(supergraphSdl()), { assumeValid: true });
const costs = createCostModel(schema);

function measure(text: string, variables: Record<string, unknown> = {}) {
  const { definitions } = parse(text);
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const node of definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  const operation = definitions.find(
    (node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION,
  );
  if (!operation) throw new Error('no operation');
  return measureComplexity({ schema, costs, fragments, operation, variables });
}

/** Writes a document whose fragments each spread the next one twice. */
function doubling(times: number, selection = 'id'): string {
  const fragments = Array.from(
    { length: times },
    (_, index) => `fragment F${index} on User { ...F${index + 1} ...F${index + 1} }`,
  );
  return `{ me { ...F0 } } ${fragments.join(' ')} fragment F${times} on User { ${selection} }`;
}

describe('complexity: counts', () => {
  it.each([
    ['depth', '{ me { id } }', { depth: 2 }],
    ['the deepest of several', '{ me { id } purchasedVouchers { edges { node { owner { id } } } } }', { depth: 5 }],
    ['no depth for inline fragments', '{ ... { me { ... on User { id } } } }', { depth: 2 }],
    ['aliases', '{ a: me { b: id c: id } }', { aliases: 3 }],
    ['root fields', '{ a: me { id } b: me { id } ...F } fragment F on Query { c: me { id } }', { rootFields: 3 }],
    [
      'directives of operations, fields and fragments',
      'query @a { me @b { ...F @c } } fragment F on User @d { id @e }',
      { directives: 5 },
    ],
    ['selections', '{ me { ...F ... { id } } } fragment F on User { id }', { selections: 5 }],
  ])('%s', (_what, text, expected) => {
    expect(measure(text)).toMatchObject(expected);
  });

  it('a fragment once per spread', () => {
    expect(measure(doubling(10))).toMatchObject({ selections: 1 + 1 + 2046 + 1024 });
    expect(measure(doubling(10, 'a: id @skip(if: true)'))).toMatchObject({ aliases: 1024, directives: 1024 });
  });

  it('doubling fragments in time that is linear in the text', () => {
    const { selections } = measure(doubling(1_500));
    expect(selections).toBe(Number.POSITIVE_INFINITY);
  });

  it('nothing for a recursive spread', () => {
    expect(measure('{ me { ...A } } fragment A on User { id ...B } fragment B on User { ...A }').selections).toBe(5);
  });

  it('unknown fields, types and fragments without an error: validation refuses them', () => {
    expect(measure('{ nobody { knows { this } } ...Missing ... on Missing { x } }')).toMatchObject({ depth: 3 });
  });
});

describe('complexity: cost', () => {
  it.each([
    ['an object', '{ me { id username } }', {}, 1],
    ['a mutation by 10', 'mutation { signOut }', {}, 10],
    ['a connection by first', '{ purchasedVouchers(first: 3) { nodes { code } } }', {}, 1 + 3],
    [
      'a connection by a variable',
      'query($n: Int) { purchasedVouchers(first: $n) { nodes { code } } }',
      { n: 7 },
      1 + 7,
    ],
    ['a variable that is left out', 'query($n: Int) { purchasedVouchers(first: $n) { nodes { code } } }', {}, 1 + 20],
    ['its default', 'query($n: Int = 5) { purchasedVouchers(first: $n) { nodes { code } } }', {}, 1 + 5],
    ['a negative number as 0', '{ purchasedVouchers(first: -5) { nodes { code } } }', {}, 1],
    ['objects within entries', '{ purchasedVouchers(first: 3) { edges { node { owner { id } } } } }', {}, 1 + 3 * 3],
    [
      'entries by a fragment',
      '{ purchasedVouchers(first: 3) { ...F } } fragment F on VoucherConnection { nodes { code } }',
      {},
      1 + 3,
    ],
    [
      'assumed sizes',
      '{ purchasedVouchers(first: 1) { nodes { deliveries { attempts { at } } } } }',
      {},
      1 + (1 + 2 * (1 + 10)),
    ],
    [
      'a number of attempts',
      '{ purchasedVouchers(first: 1) { nodes { deliveries { attempts(last: 100) { at } } } } }',
      {},
      1 + (1 + 2 * (1 + 100)),
    ],
  ])('counts %s', (_what, text, variables, cost) => {
    expect(measure(text, variables).cost).toBe(cost);
  });

  it('reports whether it depends on variables', () => {
    expect(measure('{ purchasedVouchers(first: 3) { nodes { code } } }').dependsOnVariables).toBe(false);
    expect(measure('query($n: Int) { purchasedVouchers(first: $n) { nodes { code } } }').dependsOnVariables).toBe(true);
  });

  it('counts introspection separately, with lists of the schema’s size', () => {
    const types = Object.keys(schema.getTypeMap()).length;
    expect(measure('{ __schema { types { name } } }')).toMatchObject({
      depth: 1,
      cost: 0,
      introspectionCost: 1 + types * 2,
    });
    expect(measure('{ __type(name: "User") { name } me { id } }')).toMatchObject({ cost: 1, introspectionCost: 2 });
  });

  it('reads @cost of fields, types and arguments', () => {
    const priced = buildASTSchema(
      parse(`
        directive @cost(weight: Int!) on FIELD_DEFINITION | OBJECT | ARGUMENT_DEFINITION
        type Query { cheap: Thing dear: Thing @cost(weight: 7) text(search: String @cost(weight: 3)): String }
        type Thing @cost(weight: 2) { id: ID }
      `),
    );
    const cost = (text: string) =>
      measureComplexity({
        schema: priced,
        costs: createCostModel(priced),
        fragments: {},
        operation: parse(text).definitions[0] as OperationDefinitionNode,
        variables: {},
      }).cost;
    expect(cost('{ cheap { id } }')).toBe(2);
    expect(cost('{ dear { id } }')).toBe(7);
    expect(cost('{ text }')).toBe(0);
    expect(cost('{ text(search: "x") }')).toBe(3);
  });

  it('grows with every list argument, and never throws', () => {
    fc.assert(
      fc.property(fc.double(), fc.double(), (first, last) => {
        const { cost } = measure(
          'query($a: Int, $b: Int) { purchasedVouchers(first: $a, last: $b) { nodes { code } } }',
          {
            a: first,
            b: last,
          },
        );
        expect(cost).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});
