import { operationFromDocument, Supergraph } from '@apollo/federation-internals';
import { QueryPlanner } from '@apollo/query-planner';
import { isEnumType, isInputObjectType, isObjectType, Kind, parse, visit } from 'graphql';
import { expect, it } from 'vitest';
import { apiSchemaOf, undeclaredBreakingChanges } from './breaking-changes.ts';
import { composeSupergraph } from './compose.ts';
import { subgraphNames, subgraphSdl, supergraphSdl } from './sdl.ts';

const api = apiSchemaOf(supergraphSdl());
/** For each entity, the subgraph that defines its main fields. */
const homes: Record<string, string> = {
  User: 'user',
  Voucher: 'voucher',
  VoucherRequest: 'voucher',
  Delivery: 'delivery',
};

it('supergraph: composes, and the committed one is up to date', () => {
  expect(supergraphSdl()).toBe(composeSupergraph());
});

it('supergraph: breaks no client of the committed one', () => {
  expect(undeclaredBreakingChanges(supergraphSdl(), composeSupergraph())).toEqual([]);
});

it('breaking changes: are reported unless declared', () => {
  const changed = supergraphSdl().replace(/ {2}expectedBy: DateTime!/, '  dueBy: DateTime!');
  const change = 'VoucherRequest.expectedBy was removed.';
  expect(undeclaredBreakingChanges(supergraphSdl(), changed, [])).toEqual([change]);
  expect(undeclaredBreakingChanges(supergraphSdl(), changed, [change])).toEqual([]);
});

it('supergraph: describes every type, field, argument and value of the API', () => {
  const bare: string[] = [];
  const note = (path: string, { description }: { description?: string | null }) => {
    if (!description?.trim()) bare.push(path);
  };
  for (const type of Object.values(api.getTypeMap())) {
    if (type.name.startsWith('__') || ['String', 'Int', 'ID', 'Boolean', 'Float'].includes(type.name)) continue;
    if (!['Query', 'Mutation', 'Subscription'].includes(type.name)) note(type.name, type);
    if (isEnumType(type)) for (const value of type.getValues()) note(`${type.name}.${value.name}`, value);
    if (isInputObjectType(type))
      for (const field of Object.values(type.getFields())) note(`${type.name}.${field.name}`, field);
    if (isObjectType(type))
      for (const field of Object.values(type.getFields())) {
        note(`${type.name}.${field.name}`, field);
        for (const argument of field.args)
          if (argument.name !== 'input') note(`${type.name}.${field.name}(${argument.name})`, argument);
      }
  }
  expect(bare).toEqual([]);
});

it.each([
  ['a voucher to its owner', '{ purchasedVouchers { nodes { owner { username } } } }', ['voucher', 'user']],
  ['a voucher to its deliveries', '{ purchasedVouchers { nodes { deliveries { id } } } }', ['voucher', 'delivery']],
  ['a request to its deliveries', '{ voucherRequest(id: 1) { deliveries { id } } }', ['voucher', 'delivery']],
  ['a user to the callback secret', '{ me { callbackSecret } }', ['user', 'delivery']],
  [
    'an event to its owner and deliveries',
    'subscription { voucherReceived { node { code owner { username } deliveries { id } } } }',
    ['voucher', 'user', 'delivery'],
  ],
])('query plans: go from %s', (_what, query, subgraphs) => {
  const supergraph = Supergraph.build(supergraphSdl());
  const plan = new QueryPlanner(supergraph).buildQueryPlan(operationFromDocument(supergraph.apiSchema(), parse(query)));
  const fetched = new Set([...JSON.stringify(plan).matchAll(/"serviceName":"(\w+)"/g)].map(([, name]) => name));
  expect([...fetched].sort()).toEqual([...subgraphs].sort());
});

it('supergraph: fields of other subgraphs are nullable, so an outage is partial', () => {
  const strict: string[] = [];
  for (const subgraph of subgraphNames) {
    const keys = new Set<string>();
    visit(parse(subgraphSdl(subgraph)), {
      ObjectTypeDefinition(type) {
        const key = type.directives?.find(({ name }) => name.value === 'key');
        if (key) expect(homes, `say where ${type.name.value} is at home`).toHaveProperty(type.name.value);
        const fields = key?.arguments?.find(({ name }) => name.value === 'fields')?.value;
        for (const field of fields?.kind === Kind.STRING ? fields.value.split(/\s+/) : []) keys.add(field);
        const isHome = (homes[type.name.value] ?? subgraph) === subgraph;
        for (const field of type.fields ?? []) {
          let named = field.type;
          while (named.kind !== Kind.NAMED_TYPE) named = named.type;
          const isForeign = (homes[named.name.value] ?? subgraph) !== subgraph;
          if (field.type.kind === Kind.NON_NULL_TYPE && (isForeign || (!isHome && !keys.has(field.name.value))))
            strict.push(`${subgraph}: ${type.name.value}.${field.name.value}`);
        }
      },
    });
  }
  expect(strict).toEqual([]);
});

it('supergraph: hides the fields that only the gateway requests', () => {
  expect(Object.keys(api.getTypeMap())).not.toContain('StoredPosition');
});
